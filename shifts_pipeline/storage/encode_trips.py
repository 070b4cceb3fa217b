"""Encodes batches as rows of the database: ids of names, trip ids and week partitions, and the tiles of all trips.

It uses a connection of its own beside the load's transaction, so that no other load waits for what it creates.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from shifts_core.calendar import monday_of_week
from shifts_core.ids import NUMBER_BITS
from shifts_core.tiles.segment_builder import BuiltSegment, SegmentBuilder, runs
from shifts_core.time_filter import minutes_of_week
from shifts_core.trips.batch import Batch, Reject
from shifts_core.trips.report import WeekCount
from shifts_pipeline.storage.copy_format import trip_rows

_WEEK_US = 7 * 86_400_000_000
_FIRST_MONDAY_US = 4 * 86_400_000_000


class EncodedBatch(NamedTuple):
    """A batch in the form that is written into the database."""

    trips: list[tuple[str, NDArray[np.void]]]
    """By partition of `trips`: rows of copy_format.py."""
    rejects: list[Reject]
    segments: Sequence[BuiltSegment] = ()
    """Of the trips of this batch and of batches before it."""


class TripEncoder:
    """Encodes the batches of a file; uses only the connection `side`, so it can run ahead of the COPY."""

    def __init__(self, side: psycopg.Connection, file_id: int) -> None:
        """`side` is in autocommit mode: other loads may wait for names, partitions and numbers."""
        self._side, self._file_id = side, file_id
        self._region_ids, self._source_ids = _Ids(side, "region_ids"), _Ids(side, "source_ids")
        self._partitions: dict[int, str] = {}
        self._weeks: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._segments = SegmentBuilder()

    def encode(self, batches: Iterable[Batch]) -> Iterator[EncodedBatch]:
        """Encodes batches and adds their rows to the counts of their pairs.

        A last batch holds the segments of the trips that are in none yet.

        Raises:
            psycopg.Error: the database failed.
        """
        for batch in batches:
            trips = self._trips(batch) if len(batch.started_at) else []
            yield EncodedBatch(trips, batch.rejects, self._segments.build() if self._segments.is_full else ())
        yield EncodedBatch([], [], self._segments.build())

    def week_counts(self) -> list[WeekCount]:
        """Trips encoded so far, by region and week."""
        counts = [
            WeekCount(
                self._region_ids.name(region_id),
                region_id,
                monday_of_week(week),
                trips,
                _to_datetime(first),
                _to_datetime(last),
            )
            for (region_id, week), (trips, first, last) in self._weeks.items()
        ]
        return sorted(counts, key=lambda count: (count.region, count.week))

    def _trips(self, batch: Batch) -> list[tuple[str, NDArray[np.void]]]:
        regions = self._region_ids.of(batch.regions, batch.region_names)
        sources = self._source_ids.of(batch.sources, batch.source_names)
        weeks = (batch.started_at - _FIRST_MONDAY_US) // _WEEK_US
        # By region within a week: then the BRIN index separates the regions.
        order = _order(weeks, regions)
        weeks, regions, started_at = weeks[order], regions[order], batch.started_at[order]
        trip_ids = (weeks << NUMBER_BITS) + self._reserve(len(order)) + np.arange(len(order))
        points = batch.points.take(order, axis=0)
        rows = trip_rows(trip_ids, started_at, regions, sources[order], self._file_id, points)
        for begin, end in runs(weeks << 32 | regions):
            region_id, week = int(regions[begin]), int(weeks[begin])
            self._count((region_id, week), started_at[begin:end])
            moments = started_at[begin:end] - _FIRST_MONDAY_US - week * _WEEK_US
            self._segments.add(region_id, monday_of_week(week), points[begin:end], minutes_of_week(moments))
        return [(self._partition(int(weeks[begin])), rows[begin:end]) for begin, end in runs(weeks)]

    def _count(self, pair: tuple[int, int], moments: NDArray[np.int64]) -> None:
        first, last = int(moments.min()), int(moments.max())
        trips, before, after = self._weeks.get(pair, (0, first, last))
        self._weeks[pair] = trips + len(moments), min(first, before), max(last, after)

    def _reserve(self, size: int) -> int:
        row = self._side.execute("SELECT shifts_store.reserve_trip_numbers(%s)", [size]).fetchone()
        assert row is not None
        return int(row[0])

    def _partition(self, week: int) -> str:
        if week not in self._partitions:
            row = self._side.execute("SELECT shifts_store.ensure_week(%s)", [monday_of_week(week)]).fetchone()
            assert row is not None
            self._partitions[week] = row[0]
        return self._partitions[week]


class _Ids:
    """The database's ids of names; each name is queried once."""

    def __init__(self, side: psycopg.Connection, function: str) -> None:
        self._side = side
        self._statement = sql.SQL("SELECT * FROM {}(%s)").format(sql.Identifier("shifts_store", function))
        self._by_number = np.empty(0, np.int64)
        self._by_name: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def of(self, numbers: NDArray[np.int32], names: Sequence[str | None]) -> NDArray[np.int64]:
        """The ids of a batch's name numbers; only names that occur get an id."""
        if unknown := len(names) - len(self._by_number):
            self._by_number = np.append(self._by_number, np.full(unknown, -1, np.int64))
        ids = self._by_number[numbers]
        new = np.unique(numbers[ids < 0]).tolist()
        if not new:
            return ids
        wanted = {number: name for number in new if (name := names[number]) is not None}
        missing = sorted({name for name in wanted.values() if name not in self._by_name})
        if missing:
            found = self._side.execute(self._statement, [missing]).fetchall()
            self._by_name.update(found)
            self._names.update((id_, name) for name, id_ in found)
        for number, name in wanted.items():
            self._by_number[number] = self._by_name[name]
        return self._by_number[numbers]

    def name(self, id_: int) -> str:
        """The name of an id that `of` has returned."""
        return self._names[id_]


def _order(weeks: NDArray[np.int64], regions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices that sort by week, then region."""
    weeks, regions = weeks - weeks.min(), regions - regions.min()
    pairs = weeks * (regions.max() + 1) + regions
    # numpy sorts 16-bit integers by counting, eight times as fast.
    return np.argsort(pairs.astype(np.uint16) if pairs.max() < 1 << 16 else pairs, kind="stable")


def _to_datetime(micros: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(microseconds=micros)
