"""Reads the trips of a (region, week) pair in one snapshot, and replaces tables derived from them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import and_, delete, func, select, update

from shifts_core.calendar import ONE_WEEK
from shifts_core.schema.tables import failed_pair_checks, region_weeks
from shifts_pipeline.storage.binary_copy import copied_rows, row_dtype
from shifts_pipeline.storage.statements import execute

DerivedTable = Literal["aggregates", "clusters"]
DERIVED_TABLES: tuple[DerivedTable, ...] = ("aggregates", "clusters")
"""In the order in which a refresh writes them."""

_ENDS = ("x0", "y0", "x1", "y1")
_ROW = row_dtype(trip_id=">i8", moment=">i8", x0=">f8", y0=">f8", x1=">f8", y1=">f8")


@dataclass(frozen=True)
class PairTrips:
    """The trips of a pair in one snapshot."""

    region: str
    region_id: int
    week: date
    revision: int
    deletion_count: int
    file_ids: tuple[int, ...]
    """Files that the trips are from."""
    trip_ids: NDArray[np.int64]
    """Shape (n,)."""
    moments: NDArray[np.int64]
    """Shape (n,): local wall clock, microseconds since the week's Monday 00:00."""
    ends: NDArray[np.float64]
    """Shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees."""


def read_pair(connection: psycopg.Connection, region: str, week: date) -> PairTrips | None:
    """Reads a pair's trips in one snapshot; None if the pair never had any."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        pair = connection.execute(
            "SELECT region_id, revision, deletion_count, file_ids, trips FROM shifts_store.find_region_week(%s, %s)",
            [region, week],
        ).fetchone()
        if pair is None:
            return None
        region_id, revision, deletion_count, file_ids, expected = pair
        statement = sql.SQL(
            "COPY (SELECT trip_id, (extract(epoch FROM started_at - {week}::timestamp) * 1000000)::bigint,"
            " ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination) FROM shifts_store.trips"
            " WHERE region_id = {region} AND started_at >= {week} AND started_at < {end})"
            " TO STDOUT (FORMAT binary)"
        ).format(week=sql.Literal(week), end=sql.Literal(week + ONE_WEEK), region=sql.Literal(region_id))
        trips = _Columns(expected)
        for rows in copied_rows(connection, statement, _ROW):
            trips.append(rows)
    trip_ids, moments, ends = trips.columns()
    return PairTrips(
        region, region_id, week, revision, deletion_count, tuple(file_ids), trip_ids, moments, ends
    )


class _Columns:
    """Columns of trips that are filled piece by piece, without a second copy of all of them."""

    def __init__(self, expected: int) -> None:
        self._size = 0
        self._trip_ids = np.empty(expected, np.int64)
        self._moments = np.empty(expected, np.int64)
        self._ends = np.empty((expected, len(_ENDS)))

    def append(self, rows: NDArray[np.void]) -> None:
        begin, self._size = self._size, self._size + len(rows)
        if self._size > len(self._trip_ids):
            # More trips than the loads recorded: the check of the totals reports it.
            more = self._size + self._size // 8
            self._trip_ids, self._moments, self._ends = (
                np.concatenate([column[:begin], np.empty((more - begin, *column.shape[1:]), column.dtype)])
                for column in (self._trip_ids, self._moments, self._ends)
            )
        self._trip_ids[begin : self._size] = rows["trip_id"]
        self._moments[begin : self._size] = rows["moment"]
        for column, name in enumerate(_ENDS):
            self._ends[begin : self._size, column] = rows[name]

    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        return self._trip_ids[: self._size], self._moments[: self._size], self._ends[: self._size]


def replace_derived(
    connection: psycopg.Connection,
    pair: PairTrips,
    table: DerivedTable,
    write: Callable[[psycopg.Connection], None],
) -> bool:
    """Writes what was computed from a pair in one transaction, and records the revision it was computed from.

    If loads have added trips meanwhile, the pair stays stale, and the result is right for the trips it covers.
    Checks that the former rows failed are forgotten: they are evaluated again.

    Returns:
        False, with nothing written, if a load has deleted trips of the pair meanwhile: the result contains them.
    """
    with connection.transaction():
        is_pair = and_(region_weeks.c.region_id == pair.region_id, region_weeks.c.week == pair.week)
        lock = select(region_weeks.c.deletion_count).where(is_pair).with_for_update()
        if execute(connection, lock).fetchone() != (pair.deletion_count,):
            return False
        is_failed_check = and_(
            failed_pair_checks.c.region_id == pair.region_id,
            failed_pair_checks.c.week == pair.week,
            failed_pair_checks.c.derived_table == table,
        )
        execute(connection, delete(failed_pair_checks).where(is_failed_check))
        write(connection)
        computed = {f"{table}_revision": pair.revision, f"{table}_at": func.now()}
        execute(connection, update(region_weeks).where(is_pair).values(computed))
    return True
