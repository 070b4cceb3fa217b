"""Reads the trips of a (region, week) pair in one snapshot, and replaces tables derived from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
_ROW = row_dtype(region_id=">i4", trip_id=">i8", started_at=">i8", x0=">f8", y0=">f8", x1=">f8", y1=">f8")
_ROW_WITH_FILE = row_dtype(
    region_id=">i4", trip_id=">i8", started_at=">i8", x0=">f8", y0=">f8", x1=">f8", y1=">f8", file_id=">i8"
)
_POOLS = "SELECT file_id, cells_pool FROM shifts_store.file_week_counts WHERE region_id = %s AND week = %s"
_EPOCH_2000 = date(2000, 1, 1)
_DAY_US = 86_400_000_000


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
    recorded: int
    """Trips that the loads of these files recorded."""
    is_pending: bool
    """Whether some of the trips are in no segment yet."""
    segments: tuple[int, ...]
    """Numbers of the segments that hold the others."""
    unmerged: int | None
    """The only segment, if it holds all trips and no refresh has merged it."""
    trip_ids: NDArray[np.int64]
    """Shape (n,)."""
    moments: NDArray[np.int64]
    """Shape (n,): local wall clock, microseconds since the week's Monday 00:00."""
    ends: NDArray[np.float64]
    """Shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees."""
    files: NDArray[np.int64] | None = None
    """Shape (n,): the file that each trip is from, if it was read."""
    pools: Mapping[int, int | None] = field(default_factory=dict)
    """File id → the pool of small files that it is in."""


def read_pair(
    connection: psycopg.Connection, region: str, week: date, *, with_files: bool = False
) -> PairTrips | None:
    """Reads a pair's trips in one snapshot; None if the pair never had any.

    Args:
        connection: in autocommit mode.
        region: name of the pair's region.
        week: the pair's Monday.
        with_files: whether to read which files they are from.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        pair = connection.execute(
            "SELECT region_id, revision, deletion_count, file_ids, trips, is_pending, segments, unmerged"
            " FROM shifts_store.find_region_week(%s, %s)",
            [region, week],
        ).fetchone()
        if pair is None:
            return None
        region_id, revision, deletion_count, file_ids, recorded, is_pending, segments, unmerged = pair
        trips = _Columns(recorded)
        files: list[NDArray[np.int64]] = []
        row = _ROW_WITH_FILE if with_files else _ROW
        for rows in copied_rows(connection, _trips_statement(week, [region_id], with_files=with_files), row):
            trips.append(rows, week)
            if with_files:
                files.append(rows["file_id"].astype(np.int64))
        pools: dict[int, int | None] = {}
        if with_files:
            pools = dict(connection.execute(_POOLS, [region_id, week]).fetchall())
    trip_ids, moments, ends = trips.columns()
    return PairTrips(
        region,
        region_id,
        week,
        revision,
        deletion_count,
        tuple(file_ids),
        recorded,
        is_pending,
        tuple(segments),
        unmerged,
        trip_ids,
        moments,
        ends,
        np.concatenate([np.empty(0, np.int64), *files]) if with_files else None,
        pools,
    )


def read_pairs(connection: psycopg.Connection, regions: Mapping[int, str], week: date) -> list[PairTrips]:
    """Reads the trips of several pairs of a week in one snapshot, by region id, without their files and segments.

    Args:
        connection: in autocommit mode.
        regions: region id → name, of pairs that had trips at some time.
        week: the Monday of all pairs.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        pairs = connection.execute(
            "SELECT region_id, revision, deletion_count FROM shifts_store.region_weeks"
            " WHERE week = %s AND region_id = ANY (%s) ORDER BY region_id",
            [week, list(regions)],
        ).fetchall()
        rows = np.concatenate(list(copied_rows(connection, _trips_statement(week, list(regions)), _ROW)))
    rows = rows[np.argsort(rows["region_id"], kind="stable")]
    trip_ids, moments = rows["trip_id"].astype(np.int64), moments_of(rows, week)
    ends = np.column_stack([rows[name].astype(np.float64) for name in _ENDS])
    region_ids = [region_id for region_id, _, _ in pairs]
    begins = np.searchsorted(rows["region_id"], region_ids, "left").tolist()
    stops = np.searchsorted(rows["region_id"], region_ids, "right").tolist()
    return [
        PairTrips(
            region=regions[region_id],
            region_id=region_id,
            week=week,
            revision=revision,
            deletion_count=deletion_count,
            file_ids=(),
            recorded=stop - begin,
            is_pending=False,
            segments=(),
            unmerged=None,
            trip_ids=trip_ids[begin:stop],
            moments=moments[begin:stop],
            ends=ends[begin:stop],
        )
        for (region_id, revision, deletion_count), begin, stop in zip(pairs, begins, stops, strict=True)
    ]


def _trips_statement(week: date, region_ids: Sequence[int], *, with_files: bool = False) -> sql.Composable:
    """COPY of the trips of some regions in a week, as rows of the dtype `_ROW` or `_ROW_WITH_FILE`."""
    regions = sql.SQL("region_id = {}").format(sql.Literal(region_ids[0]))
    if len(region_ids) > 1:
        # The block-range index is read once for a range of regions, and for a list once for each of them.
        regions = sql.SQL("region_id BETWEEN {} AND {} AND region_id = ANY ({}::integer[])").format(
            sql.Literal(min(region_ids)), sql.Literal(max(region_ids)), sql.Literal(list(region_ids))
        )
    return sql.SQL(
        "COPY (SELECT region_id, trip_id, started_at,"
        " ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination){file} FROM shifts_store.trips"
        " WHERE {regions} AND started_at >= {week} AND started_at < {end}) TO STDOUT (FORMAT binary)"
    ).format(
        regions=regions,
        week=sql.Literal(week),
        end=sql.Literal(week + ONE_WEEK),
        file=sql.SQL(", file_id" if with_files else ""),
    )


def moments_of(rows: NDArray[np.void], week: date) -> NDArray[np.int64]:
    """Times of rows of a COPY, microseconds since the week's Monday 00:00."""
    moments: NDArray[np.int64] = rows["started_at"] - (week - _EPOCH_2000).days * _DAY_US
    return moments


class _Columns:
    """Columns of trips that are filled piece by piece, without a second copy of all of them."""

    def __init__(self, expected: int) -> None:
        self._size = 0
        self._trip_ids = np.empty(expected, np.int64)
        self._moments = np.empty(expected, np.int64)
        self._ends = np.empty((expected, len(_ENDS)))

    def append(self, rows: NDArray[np.void], week: date) -> None:
        begin, self._size = self._size, self._size + len(rows)
        if self._size > len(self._trip_ids):
            # More trips than the loads recorded: the check of the totals reports it.
            more = self._size + self._size // 8
            self._trip_ids, self._moments, self._ends = (
                np.concatenate([column[:begin], np.empty((more - begin, *column.shape[1:]), column.dtype)])
                for column in (self._trip_ids, self._moments, self._ends)
            )
        self._trip_ids[begin : self._size] = rows["trip_id"]
        self._moments[begin : self._size] = moments_of(rows, week)
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
        False, with nothing written, if a load has deleted trips of the pair meanwhile and the result contains them.
        Tiles may contain them: a segment subtracts them, unless they were in no segment before.
    """
    with connection.transaction():
        is_pair = and_(region_weeks.c.region_id == pair.region_id, region_weeks.c.week == pair.week)
        lock = select(region_weeks.c.deletion_count).where(is_pair).with_for_update()
        is_subtracted = table == "aggregates" and not pair.is_pending
        if execute(connection, lock).fetchone() != (pair.deletion_count,) and not is_subtracted:
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
