"""Reads the trips of a (region, week) pair in one snapshot, and replaces tables derived from them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from shifts_core.calendar import ONE_WEEK
from shifts_pipeline.storage.binary_copy import copied_rows, row_dtype

DerivedTable = Literal["aggregates", "clusters"]

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
            "SELECT w.region_id, w.revision, w.deletion_count, array("
            "SELECT f.file_id FROM shifts_store.file_week_counts f"
            " WHERE f.region_id = w.region_id AND f.week = w.week ORDER BY f.file_id)"
            " FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)"
            " WHERE r.name = %s AND w.week = %s",
            [region, week],
        ).fetchone()
        if pair is None:
            return None
        region_id, revision, deletion_count, file_ids = pair
        statement = sql.SQL(
            "COPY (SELECT trip_id, (extract(epoch FROM started_at - {week}::timestamp) * 1000000)::bigint,"
            " ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination) FROM shifts_store.trips"
            " WHERE region_id = {region} AND started_at >= {week} AND started_at < {end})"
            " TO STDOUT (FORMAT binary)"
        ).format(week=sql.Literal(week), end=sql.Literal(week + ONE_WEEK), region=sql.Literal(region_id))
        pieces = [
            (
                rows["trip_id"].astype(np.int64),
                rows["moment"].astype(np.int64),
                np.column_stack([rows[name].astype(np.float64) for name in _ENDS]),
            )
            for rows in copied_rows(connection, statement, _ROW)
        ]
    # Without trips there is one empty chunk.
    trip_ids, moments, ends = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return PairTrips(
        region, region_id, week, revision, deletion_count, tuple(file_ids), trip_ids, moments, ends
    )


def replace_derived(
    connection: psycopg.Connection,
    pair: PairTrips,
    table: DerivedTable,
    write: Callable[[psycopg.Connection], None],
) -> bool:
    """Writes what was computed from a pair in one transaction, and records the revision it was computed from.

    If loads have added trips meanwhile, the pair stays stale, and the result is right for the trips it covers.

    Returns:
        False, with nothing written, if a load has deleted trips of the pair meanwhile: the result contains them.
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT deletion_count FROM shifts_store.region_weeks WHERE region_id = %s AND week = %s FOR UPDATE",
            [pair.region_id, pair.week],
        ).fetchone()
        if row != (pair.deletion_count,):
            return False
        write(connection)
        connection.execute(
            sql.SQL(
                "UPDATE shifts_store.region_weeks SET {change} = %s, {at} = now()"
                " WHERE region_id = %s AND week = %s"
            ).format(change=sql.Identifier(f"{table}_revision"), at=sql.Identifier(f"{table}_at")),
            [pair.revision, pair.region_id, pair.week],
        )
    return True
