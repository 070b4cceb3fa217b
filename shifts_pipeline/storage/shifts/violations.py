"""What shifts guarantee, checked on the rows that were written."""

from collections.abc import Sequence

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from shifts_core.shifts.guarantees import CheckedShifts, CheckedTrips, CountedTrips, find_violations
from shifts_pipeline.storage.binary_copy import concatenated, copied_rows, row_dtype
from shifts_pipeline.storage.pair_checks import record_failure
from shifts_pipeline.storage.shifts.making import Making
from shifts_pipeline.storage.shifts.rows import DAY_BITS
from shifts_pipeline.storage.shifts.state import MakingOptions

TRIPS_FIT = "every_counted_trip_fits_its_shift"
COUNTED_ONCE = "every_trip_counts_for_one_shift"
_MAX_EXAMPLES = 20
"""Shifts that are named for each failed check."""
_OF_MAKINGS = sql.SQL(
    "FROM shifts_store.shifts WHERE week = {week} AND region_id = ANY ({regions}::integer[])"
)
_SHIFTS = (
    "COPY (SELECT region_id, rank, weekdays, earliest, latest, ST_X(pickup), ST_Y(pickup), ST_X(dropoff),"
    " ST_Y(dropoff) {of_makings}) TO STDOUT (FORMAT binary)"
)
_SHIFT = row_dtype(
    region_id=">i4",
    rank=">i4",
    weekdays=">i2",
    earliest=">i8",
    latest=">i8",
    x0=">f8",
    y0=">f8",
    x1=">f8",
    y1=">f8",
)
_COUNTED = "COPY (SELECT region_id, rank, unnest(trip_ids) {of_makings}) TO STDOUT (FORMAT binary)"
_COUNTED_TRIP = row_dtype(region_id=">i4", rank=">i4", trip_id=">i8")


def check_shifts(connection: psycopg.Connection, makings: Sequence[Making], options: MakingOptions) -> None:
    """Check the written shifts of makings, and store which checks fail.

    Args:
        connection: in autocommit mode.
        makings: at least one, of one week, of regions which the caller has locked.
        options: by which the shifts were made.
    """
    week = makings[0].week
    shifts, counted = _read(connection, makings)
    found = find_violations(_trips(makings), shifts, counted, options.parameters.max_radius_m)
    for check_name, is_violation in ((TRIPS_FIT, found.misfits), (COUNTED_ONCE, found.double)):
        for region_id in np.unique(shifts.regions[is_violation]).tolist():
            ranks = shifts.ranks[is_violation & (shifts.regions == region_id)].tolist()
            details = {"violations": len(ranks), "ranks": ranks[:_MAX_EXAMPLES]}
            record_failure(connection, region_id, week, "shifts", check_name, details)


def _read(connection: psycopg.Connection, makings: Sequence[Making]) -> tuple[CheckedShifts, CountedTrips]:
    of_makings = _OF_MAKINGS.format(
        week=sql.Literal(makings[0].week),
        regions=sql.Literal([making.region.region_id for making in makings]),
    )
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        statement = sql.SQL(_SHIFTS).format(of_makings=of_makings)
        rows = concatenated(list(copied_rows(connection, statement, _SHIFT)), _SHIFT)
        keys = _keys(rows)
        order = np.argsort(keys)
        rows, keys = rows[order], keys[order]
        places: list[NDArray[np.int64]] = []
        trip_ids: list[NDArray[np.int64]] = []
        statement = sql.SQL(_COUNTED).format(of_makings=of_makings)
        for counted in copied_rows(connection, statement, _COUNTED_TRIP):
            places.append(np.searchsorted(keys, _keys(counted)))
            trip_ids.append(counted["trip_id"].astype(np.int64))
    shifts = CheckedShifts(
        rows["region_id"].astype(np.int64),
        rows["rank"].astype(np.int64),
        rows["earliest"].astype(np.int64) / 1e6,
        rows["latest"].astype(np.int64) / 1e6,
        (rows["weekdays"].astype(np.int64)[:, None] & DAY_BITS) != 0,
        np.column_stack([rows[name].astype(np.float64) for name in ("x0", "y0", "x1", "y1")]),
    )
    return shifts, CountedTrips(np.concatenate(places), np.concatenate(trip_ids))


def _keys(rows: NDArray[np.void]) -> NDArray[np.int64]:
    """Region and rank of each row as one number, in the order of regions and ranks."""
    keys: NDArray[np.int64] = (rows["region_id"].astype(np.int64) << 32) + rows["rank"]
    return keys


def _trips(makings: Sequence[Making]) -> CheckedTrips:
    """The trips that the makings count; a history may be five times as long."""
    of_regions = []
    for making in makings:
        rows, history = making.counted.trips, making.trips.history
        of_regions.append(
            CheckedTrips(
                np.full(len(rows), making.region.region_id),
                making.trips.trip_ids[rows],
                history.times_s[rows],
                (history.days[rows] % 7).astype(np.int8),
                history.od_coords[rows],
            )
        )
    return CheckedTrips(*map(np.concatenate, zip(*of_regions, strict=True)))
