"""Batches into the database: ids, week partitions, COPY, rejects and the books of one file."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from shifts_pipeline.binary_copy import to_bytes
from shifts_pipeline.loading.batch import Batch, Reject
from shifts_pipeline.loading.copy_format import COLUMNS, trip_rows
from shifts_pipeline.loading.report import WeekCount

_EXAMPLES = 5
_WEEK_US = 7 * 86_400_000_000
_FIRST_MONDAY = date(1970, 1, 5)
_FIRST_MONDAY_US = 4 * 86_400_000_000
_NUMBER_BITS = 40


class TripWriter:
    """Writes one file's trips and rejects in the open transaction of a connection."""

    def __init__(self, connection: psycopg.Connection, side: psycopg.Connection, file_id: int) -> None:
        """`side` is in autocommit: what others may wait for (names, partitions, numbers) is done there."""
        self._connection, self._side, self._file_id = connection, side, file_id
        self._region_ids, self._source_ids = _Ids(side, "region_ids"), _Ids(side, "source_ids")
        self._partitions: dict[int, sql.Identifier] = {}
        self._weeks: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.rows_loaded = 0
        self.rejects_by_reason: Counter[str] = Counter()
        self.reject_examples: list[Reject] = []

    @property
    def rows_rejected(self) -> int:
        """So far."""
        return self.rejects_by_reason.total()

    def write(self, batch: Batch) -> None:
        """Adds a batch.

        Raises:
            psycopg.Error: the database failed; the transaction is lost.
        """
        if len(batch.started_at):
            self._write_trips(batch)
        if batch.rejects:
            self._write_rejects(batch.rejects)

    def book(self) -> tuple[WeekCount, ...]:
        """Books what was written under its regions and weeks; by region and week."""
        counts = [self._week_count(pair, *values) for pair, values in sorted(self._weeks.items())]
        if counts:
            self._connection.execute(
                "SELECT shifts_store.book_file(%s, %s::integer[], %s::date[], %s::bigint[],"
                " %s::timestamp[], %s::timestamp[])",
                [
                    self._file_id,
                    [count.region_id for count in counts],
                    [count.week for count in counts],
                    [count.trips for count in counts],
                    [count.first_at for count in counts],
                    [count.last_at for count in counts],
                ],
            )
        return tuple(sorted(counts, key=lambda count: (count.region, count.week)))

    def _write_trips(self, batch: Batch) -> None:
        regions = self._region_ids.of(batch.regions, batch.region_names)
        sources = self._source_ids.of(batch.sources, batch.source_names)
        weeks = (batch.started_at - _FIRST_MONDAY_US) // _WEEK_US
        # By region within a week: block ranges then tell apart where regions lie.
        pairs = weeks << 32 | regions
        order = np.argsort(pairs, kind="stable")
        pairs, started_at = pairs[order], batch.started_at[order]
        number = self._reserve(len(order))
        trip_ids = (weeks[order] << _NUMBER_BITS) + np.arange(number, number + len(order))
        rows = trip_rows(
            trip_ids, started_at, regions[order], sources[order], self._file_id, batch.points[order]
        )
        for begin, end in _runs(pairs >> 32):
            self._copy(int(pairs[begin] >> 32), rows[begin:end])
        for begin, end in _runs(pairs):
            pair = (int(pairs[begin]) & 0xFFFFFFFF, int(pairs[begin]) >> 32)
            trips, first, last = self._weeks.get(pair, (0, int(started_at[begin]), int(started_at[begin])))
            moments = started_at[begin:end]
            self._weeks[pair] = (
                trips + end - begin,
                min(first, int(moments.min())),
                max(last, int(moments.max())),
            )
        self.rows_loaded += len(order)

    def _reserve(self, size: int) -> int:
        row = self._side.execute("SELECT shifts_store.reserve_trip_numbers(%s)", [size]).fetchone()
        assert row is not None
        return int(row[0])

    def _copy(self, week: int, rows: NDArray[np.void]) -> None:
        if week not in self._partitions:
            row = self._side.execute("SELECT shifts_store.ensure_week(%s)", [_monday(week)]).fetchone()
            assert row is not None
            self._partitions[week] = sql.Identifier("shifts_store", row[0])
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
            self._partitions[week], sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        )
        with self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                copy.write(to_bytes(rows))
            if cursor.rowcount != len(rows):
                raise psycopg.DataError(f"{cursor.rowcount} rows arrived of {len(rows)}")

    def _write_rejects(self, rejects: Sequence[Reject]) -> None:
        with (
            self._connection.cursor() as cursor,
            cursor.copy("COPY shifts_store.rejected_rows (file_id, line, reason, raw) FROM STDIN") as copy,
        ):
            for reject in rejects:
                copy.write_row((self._file_id, *reject))
        self.rejects_by_reason.update(reject.reason for reject in rejects)
        self.reject_examples += rejects[: _EXAMPLES - len(self.reject_examples)]

    def _week_count(self, pair: tuple[int, int], trips: int, first: int, last: int) -> WeekCount:
        region_id, week = pair
        return WeekCount(
            self._region_ids.name(region_id), region_id, _monday(week), trips, _moment(first), _moment(last)
        )


class _Ids:
    """The database's ids of a file's names, asked for once a name."""

    def __init__(self, side: psycopg.Connection, function: str) -> None:
        self._side = side
        self._statement = sql.SQL("SELECT * FROM {}(%s)").format(sql.Identifier("shifts_store", function))
        self._by_number = np.empty(0, np.int64)
        self._by_name: dict[str, int] = {}

    def of(self, numbers: NDArray[np.int32], names: Sequence[str | None]) -> NDArray[np.int64]:
        """Ids of numbers; only names that occur get one."""
        unknown = len(names) - len(self._by_number)
        self._by_number = np.append(self._by_number, np.full(unknown, -1, np.int64))
        ids = self._by_number[numbers]
        new = np.unique(numbers[ids < 0]).tolist()
        if not new:
            return ids
        wanted = {number: name for number in new if (name := names[number]) is not None}
        missing = sorted(set(wanted.values()) - self._by_name.keys())
        if missing:
            self._by_name.update(self._side.execute(self._statement, [missing]).fetchall())
        for number, name in wanted.items():
            self._by_number[number] = self._by_name[name]
        return self._by_number[numbers]

    def name(self, id_: int) -> str:
        """The name of an id that was given out."""
        return next(name for name, known in self._by_name.items() if known == id_)


def _runs(keys: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Begin and end of each run of equal keys."""
    bounds = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
    return list(pairwise(bounds))


def _monday(week: int) -> date:
    return _FIRST_MONDAY + timedelta(weeks=week)


def _moment(micros: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(microseconds=micros)
