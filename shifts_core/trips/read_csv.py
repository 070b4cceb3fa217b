"""A CSV file as batches: the compiled reader first, the careful one for what it does not vouch for."""

import io
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from gzip import BadGzipFile
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shifts_core.calendar import DateRange
from shifts_core.trips.batch import Batch, Reject
from shifts_core.trips.header import BYTE_ORDER_MARK, column_kinds
from shifts_core.trips.interning import Names
from shifts_core.trips.limits import REGION, SOURCE
from shifts_core.trips.reference_parser import Row, micros_of, read_record, visible
from shifts_core.trips.report import UnreadableFile
from shifts_core.trips.scan import Columns, scan

BLOCK_BYTES = 16 << 20
"""Read at once, and the longest record there can be."""
BATCH_ROWS = 1 << 18
_FIRST_BYTES = 1 << 20
"""Few at first: the database waits for them."""
_MAX_HEADER_BYTES = 1 << 16
_UNREADABLE = (EOFError, BadGzipFile, zlib.error)


def read_csv(stream: BinaryIO, dates: DateRange, *, first_record: int | None = None) -> Iterator[Batch]:
    """The batches of a CSV file.

    Args:
        stream: the decompressed bytes.
        dates: when trips may start.
        first_record: number rejects by record from here on instead of by line.

    Raises:
        UnreadableFile: it is none, or lacks a column.
    """
    blocks = _Blocks(stream)
    kinds = column_kinds(blocks.header())
    yield from _Reader(kinds, dates, first_record).batches(blocks)


def load_compiled() -> None:
    """Reads a line, so that the compiled reader is in memory when the first file comes: half a second of work."""
    line = b"a,POINT (1 1),POINT (1 1),2018-01-01 00:00:00,a\n"
    header = b"region,origin_coord,destination_coord,datetime,datasource\n"
    list(read_csv(io.BytesIO(header + line), DateRange(date(2018, 1, 1), date(2019, 1, 1))))


class _Blocks:
    """The bytes of a stream in a buffer, what is not used yet carried over to the next filling."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        # The zero behind the bytes stops every compiled loop; the margin is for looks ahead.
        self.data = np.zeros(BLOCK_BYTES + 64, np.uint8)
        self.begin = self.end = 0
        self.final = False

    def fill(self, limit: int | None = None) -> None:
        """Moves what is left to the front and reads on until the buffer is full or the stream ends.

        Args:
            limit: so many bytes are enough.
        """
        limit = min(limit or BLOCK_BYTES, BLOCK_BYTES)
        left = self.end - self.begin
        self.data[:left] = self.data[self.begin : self.end].copy()
        self.begin, self.end = 0, left
        view = self.data.data
        while self.end < limit and not self.final:
            try:
                count = self._stream.readinto(view[self.end : limit])  # type: ignore[attr-defined]
            except _UNREADABLE as error:
                raise UnreadableFile(
                    f"the compressed data is broken or cut off ({error}): drop the file again"
                ) from error
            self.end += count
            self.final = count == 0
        self.data[self.end : self.end + 64] = 0

    def header(self) -> bytes:
        """The first line without its end; what follows is left."""
        self.fill(_FIRST_BYTES)
        first = self.data[: min(self.end, _MAX_HEADER_BYTES)].tobytes()
        if not first:
            raise UnreadableFile("the file is empty")
        line, newline, _ = first.partition(b"\n")
        if not newline and self.end > _MAX_HEADER_BYTES:
            line = line[:_MAX_HEADER_BYTES]
        self.begin = min(len(line) + len(newline), self.end)
        return line.removeprefix(BYTE_ORDER_MARK).removesuffix(b"\r")


class _Reader:
    """Reads the blocks of one file whose columns are known."""

    def __init__(self, kinds: tuple[int, ...], dates: DateRange, first_record: int | None) -> None:
        self._kinds, self._dates = kinds, dates
        self._record = first_record
        self._kinds_array = np.array(kinds, np.int64)
        self._first = micros_of(datetime.combine(dates.first, time()))
        self._end = micros_of(datetime.combine(dates.end, time()))
        self._regions, self._sources = Names(REGION), Names(SOURCE)

    def batches(self, blocks: _Blocks) -> Iterator[Batch]:
        line = 2
        while blocks.begin < blocks.end or not blocks.final:
            columns = _empty_columns(BATCH_ROWS)
            count, pos, line, names_full = scan(
                blocks.data,
                blocks.begin,
                blocks.end,
                blocks.final,
                line,
                self._kinds_array,
                self._first,
                self._end,
                self._regions.table,
                self._sources.table,
                columns,
            )
            if count:
                if self._record is not None:
                    columns.lines[:count] = np.arange(self._record, self._record + count)
                    self._record += count
                yield self._batch(columns, count, blocks.data)
            blocks.begin = pos
            if names_full:
                self._regions.grow_if_full()
                self._sources.grow_if_full()
            elif count < BATCH_ROWS:
                if count == 0 and pos == 0 and blocks.end == BLOCK_BYTES:
                    raise UnreadableFile(
                        f"line {line} is longer than {BLOCK_BYTES >> 20} MiB: is this a CSV file?"
                    )
                if blocks.final:
                    return
                blocks.fill()

    def _batch(self, columns: Columns, count: int, data: NDArray[np.uint8]) -> Batch:
        good = columns.vouched[:count]
        # The scanner takes any bytes for a name.
        for names, numbers in ((self._regions, columns.regions), (self._sources, columns.sources)):
            nameless = np.array([name is None for name in names.known()], bool)
            if nameless.any():
                good[good] = ~nameless[numbers[:count][good]]
        rejects = []
        for index in np.flatnonzero(~good).tolist():
            raw = data[columns.begins[index] : columns.ends[index]].tobytes()
            row = read_record(raw, int(columns.flaws[index]), self._kinds, self._dates)
            if isinstance(row, Row):
                columns.points[index] = row.points
                columns.started_at[index] = row.started_at
                columns.regions[index] = self._regions.number(row.region)
                columns.sources[index] = self._sources.number(row.source)
                good[index] = True
            else:
                rejects.append(Reject(int(columns.lines[index]), row, visible(raw)))
        kept = slice(count) if good.all() else np.flatnonzero(good)
        return Batch(
            columns.points[kept],
            columns.started_at[kept],
            columns.regions[kept],
            columns.sources[kept],
            list(self._regions.known()),
            list(self._sources.known()),
            rejects,
        )


def _empty_columns(rows: int) -> Columns:
    return Columns(
        points=np.empty((rows, 4)),
        started_at=np.empty(rows, np.int64),
        regions=np.empty(rows, np.int32),
        sources=np.empty(rows, np.int32),
        vouched=np.empty(rows, np.bool_),
        flaws=np.empty(rows, np.uint8),
        begins=np.empty(rows, np.int64),
        ends=np.empty(rows, np.int64),
        lines=np.empty(rows, np.int64),
    )
