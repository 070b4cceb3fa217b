"""Builds a batch from the columns that compiled code filled; the rows it left are parsed here one by one."""

from collections.abc import Callable

import numpy as np

from shifts_core.trips.batch import Batch, Reject
from shifts_core.trips.columns import REGION, SOURCE, TripColumns
from shifts_core.trips.interning import InternedNames
from shifts_core.trips.reject_reasons import ExpiredRow, ParsedRow, RejectedRow, printable_row


class BatchBuilder:
    """Builds the batches of one file; numbers of names hold for the whole file."""

    def __init__(self) -> None:
        self.regions, self.sources = InternedNames(REGION), InternedNames(SOURCE)

    def build(
        self,
        columns: TripColumns,
        rows: slice,
        parse: Callable[[int], ParsedRow],
        raw: Callable[[int], bytes],
    ) -> Batch:
        """The batch of consecutive rows.

        Args:
            columns: values of rows; those of rows that are parsed here are written into them.
            rows: which of them are the batch.
            parse: parses the row of an index, or raises RejectedRow.
            raw: the text of the row of an index.
        """
        part = columns.part(rows)
        good = part.parsed
        # Compiled code accepts any bytes as a name.
        for names, numbers in ((self.regions, part.regions), (self.sources, part.sources)):
            invalid = np.array([name is None for name in names.known()], bool)
            if invalid.any():
                good[good] = ~invalid[numbers[good]]
        rejects = []
        for index in np.flatnonzero(~good).tolist():
            try:
                row = parse(rows.start + index)
            except RejectedRow as rejected:
                text = "" if isinstance(rejected, ExpiredRow) else printable_row(raw(rows.start + index))
                rejects.append(Reject(int(part.lines[index]), str(rejected), text))
                continue
            part.points[index] = row.points
            part.started_at[index] = row.started_at
            part.regions[index] = self.regions.number(row.region)
            part.sources[index] = self.sources.number(row.source)
            good[index] = True
        kept = slice(None) if good.all() else np.flatnonzero(good)
        return Batch(
            part.points[kept],
            part.started_at[kept],
            part.regions[kept],
            part.sources[kept],
            list(self.regions.known()),
            list(self.sources.known()),
            rejects,
        )
