"""What the tables hold of the shifts after a week, over all regions: the figures that the Dagster UI shows."""

from dataclasses import dataclass
from datetime import date, time

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row


@dataclass(frozen=True)
class ShiftTotals:
    """Figures of the makings of a week."""

    regions: int
    shifts: int
    trips: int
    """Of the histories."""
    trips_served: int
    stale_pairs: int
    """Pairs of the histories whose last change some making has not seen."""


@dataclass(frozen=True)
class BestShift:
    """One of the first shifts of a region."""

    region: str
    rank: int
    weekdays: str
    departs: time
    riders: float
    regularity: float
    weeks: int
    status: str
    trips: int


def shift_totals(connection: psycopg.Connection, week: date) -> ShiftTotals:
    """The figures of a week."""
    with connection.cursor(row_factory=class_row(ShiftTotals)) as cursor:
        totals = cursor.execute(
            """
            SELECT count(*) AS regions, coalesce(sum(shifts), 0)::bigint AS shifts,
                   coalesce(sum(trips), 0)::bigint AS trips, coalesce(sum(trips_served), 0)::bigint AS trips_served,
                   shifts_store.stale_shift_pairs(%s) AS stale_pairs
            FROM shifts_store.shift_makings WHERE week = %s
            """,
            [week, week],
        ).fetchone()
    assert totals is not None
    return totals


def shifts_by_status(connection: psycopg.Connection, week: date) -> dict[str, int]:
    """Number of shifts of each status."""
    rows = connection.execute(
        "SELECT status, count(*) FROM shifts_store.shifts WHERE week = %s GROUP BY status", [week]
    )
    return dict(rows.fetchall())


def best_shifts(connection: psycopg.Connection, week: date, limit: int) -> list[BestShift]:
    """The shifts that count most trips."""
    with connection.cursor(row_factory=class_row(BestShift)) as cursor:
        return cursor.execute(
            """
            SELECT r.name AS region, s.rank, shifts_store.weekday_names(s.weekdays) AS weekdays, s.departs, s.riders,
                   s.regularity, s.weeks, s.status, s.trips
            FROM (SELECT * FROM shifts_store.shifts WHERE week = %s
                  ORDER BY trips DESC, region_id, rank LIMIT %s) AS s
            JOIN shifts_store.regions r USING (region_id) ORDER BY s.trips DESC, r.name, s.rank
            """,
            [week, limit],
        ).fetchall()


def places(
    connection: psycopg.Connection, week: date, limit: int
) -> tuple[str, NDArray[np.float64], NDArray[np.int64]] | None:
    """The region whose shifts count most trips; places of its first shifts, (n, 4) in degrees, and their trips."""
    largest = connection.execute(
        """
        SELECT m.region_id, r.name FROM shifts_store.shift_makings m JOIN shifts_store.regions r USING (region_id)
        WHERE m.week = %s AND m.shifts > 0 ORDER BY m.trips_served DESC, r.name LIMIT 1
        """,
        [week],
    ).fetchone()
    if largest is None:
        return None
    region_id, region = largest
    rows = connection.execute(
        """
        SELECT public.ST_X(pickup), public.ST_Y(pickup), public.ST_X(dropoff), public.ST_Y(dropoff), trips
        FROM shifts_store.shifts WHERE region_id = %s AND week = %s ORDER BY rank LIMIT %s
        """,
        [region_id, week, limit],
    ).fetchall()
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return region, table[:, :4], table[:, 4].astype(np.int64)
