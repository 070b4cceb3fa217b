"""Rows of the table of shifts: written by COPY, and read back to be named again."""

from collections.abc import Iterator, Sequence
from datetime import date, time
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from shifts_core.calendar import monday_of_week, week_number
from shifts_core.shifts.making import Shifts
from shifts_core.shifts.matching import NamedShifts
from shifts_pipeline.storage.binary_copy import HEADER, NULL, TRAILER, bigint_array, new_rows, row_dtype
from shifts_pipeline.storage.cluster_tables import clock_us
from shifts_pipeline.storage.copy_format import POINT, set_ends, set_point_types
from shifts_pipeline.storage.shifts.making import Making

_EPOCH_2000 = date(2000, 1, 1)
DAY_BITS = 1 << np.arange(7)
"""The bit of each weekday in the column `weekdays`, Monday first."""

_FIXED = row_dtype(
    region_id=">i4",
    week=">i4",
    rank=">i4",
    shift_id=">i8",
    weekdays=">i2",
    departs=">i8",
    earliest=">i8",
    latest=">i8",
    riders=">f8",
    riders_low=">i4",
    riders_high=">i4",
    regularity=">f8",
    weeks=">i4",
    first_week=">i4",
    trips=">i4",
    origin=POINT,
    destination=POINT,
    pickup_walk_m=">f8",
    pickup_walk_max_m=">f8",
    dropoff_walk_m=">f8",
    dropoff_walk_max_m=">f8",
    first_week_in_history=">i4",
    last_riders=">i4",
    last_departures=">i4",
)
"""Columns of fixed size; `status`, `trip_ids` and the labels of stops follow."""
_COLUMNS_READ = 21

COPY = (
    "COPY shifts_store.shifts (region_id, week, rank, shift_id, weekdays, departs, earliest, latest, riders,"
    " riders_low, riders_high, regularity, weeks, first_week, trips, pickup, dropoff, pickup_walk_m,"
    " pickup_walk_max_m, dropoff_walk_m, dropoff_walk_max_m, first_week_in_history, last_riders, last_departures,"
    " status, trip_ids, pickup_stop, dropoff_stop) FROM STDIN (FORMAT binary)"
)


def copy_stream(makings: Sequence[Making]) -> Iterator[bytes]:
    """The data of `COPY` for the shifts of makings."""
    yield HEADER
    for making in makings:
        fixed = _fixed_columns(making)
        for shift, (status, labels) in enumerate(zip(making.named.status, making.stop_labels(), strict=True)):
            yield fixed[shift].tobytes()
            yield _text(status)
            yield bigint_array(making.trip_ids(shift))
            yield from map(_text, labels)
    yield TRAILER


def _text(value: str | None) -> bytes:
    if value is None:
        return NULL
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def _fixed_columns(making: Making) -> NDArray[np.void]:
    named, walking = making.named, making.walking
    shifts = named.shifts
    rows = new_rows(_FIXED, len(shifts))
    rows["fields"] += 4
    rows["region_id"] = making.region.region_id
    rows["week"] = (making.week - _EPOCH_2000).days
    rows["rank"] = np.arange(1, len(shifts) + 1)
    rows["shift_id"] = named.ids
    rows["weekdays"] = shifts.runs_on @ DAY_BITS
    rows["departs"] = clock_us(shifts.departs_s)
    rows["earliest"], rows["latest"] = clock_us(shifts.windows_s[:, 0]), clock_us(shifts.windows_s[:, 1])
    for column in ("riders", "riders_low", "riders_high", "regularity", "weeks", "trips"):
        rows[column] = getattr(shifts, column)
    rows["last_riders"], rows["last_departures"] = shifts.last_riders, shifts.last_departures
    rows["first_week"] = _days(named.first_week)
    rows["first_week_in_history"] = _days(shifts.first_week)
    set_point_types(rows)
    set_ends(rows, shifts.places)
    for end, place in enumerate(("pickup", "dropoff")):
        rows[f"{place}_walk_m"] = walking.mean_m[:, end]
        rows[f"{place}_walk_max_m"] = walking.largest_m[:, end]
    return rows


def _days(weeks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Mondays of week numbers as dates in PostgreSQL's binary form."""
    return 7 * weeks + (monday_of_week(0) - _EPOCH_2000).days


def read_named(
    connection: psycopg.Connection, region_ids: Sequence[int], week: date
) -> dict[int, NamedShifts]:
    """Read the shifts of the makings of a week by region, in order of rank."""
    rows = connection.execute(
        """
        SELECT region_id, public.ST_X(pickup), public.ST_Y(pickup), public.ST_X(dropoff), public.ST_Y(dropoff),
               earliest, latest, departs, weekdays, riders, riders_low, riders_high, regularity, weeks,
               first_week_in_history, last_riders, last_departures, trips, shift_id, first_week, status
        FROM shifts_store.shifts WHERE region_id = ANY (%s) AND week = %s ORDER BY region_id, rank
        """,
        [list(region_ids), week],
    ).fetchall()
    begins = [at for at in range(len(rows)) if not at or rows[at - 1][0] != rows[at][0]] + [len(rows)]
    found = {
        rows[begin][0]: _named(list(zip(*rows[begin:stop], strict=True))) for begin, stop in pairwise(begins)
    }
    none = _named([()] * _COLUMNS_READ)
    return {region_id: found.get(region_id, none) for region_id in region_ids}


def _named(columns: list[tuple[Any, ...]]) -> NamedShifts:
    _, x0, y0, x1, y1, earliest, latest, departs, weekdays, riders, low, high, regularity, weeks = columns[
        :14
    ]
    first, last_riders, last_departures, trips, ids, first_week, status = columns[14:]
    shifts = Shifts(
        places=np.column_stack([x0, y0, x1, y1]).astype(np.float64),
        windows_s=np.column_stack([_seconds(earliest), _seconds(latest)]),
        departs_s=_seconds(departs),
        runs_on=(np.array(weekdays, np.int64)[:, None] & DAY_BITS) != 0,
        riders=np.array(riders, np.float64),
        riders_low=np.array(low, np.int64),
        riders_high=np.array(high, np.int64),
        regularity=np.array(regularity, np.float64),
        weeks=np.array(weeks, np.int64),
        first_week=_numbers(first),
        last_riders=np.array(last_riders, np.int64),
        last_departures=np.array(last_departures, np.int64),
        trips=np.array(trips, np.int64),
    )
    return NamedShifts(shifts, np.array(ids, np.int64), _numbers(first_week), [str(each) for each in status])


def _seconds(clocks: tuple[time, ...]) -> NDArray[np.float64]:
    return np.array([3600 * t.hour + 60 * t.minute + t.second for t in clocks], np.float64)


def _numbers(mondays: tuple[date, ...]) -> NDArray[np.int64]:
    return np.array([week_number(monday) for monday in mondays], np.int64)
