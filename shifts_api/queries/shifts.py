"""Statements on shifts and their trips."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from geoalchemy2.functions import ST_X, ST_Y
from sqlalchemy import BigInteger, Select, any_, bindparam, cast, collate, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from shifts_api.queries.coarse import coarse_shifts
from shifts_api.queries.conditions import is_within, lies_in
from shifts_api.queries.listed_trips import select_listed_trips
from shifts_core.calendar import ONE_WEEK
from shifts_core.ids import monday_of_id
from shifts_core.polygons import Area
from shifts_core.schema import tables
from shifts_core.tiles.box import Box
from shifts_core.time_filter import TimeWindow

_shift = tables.shifts.c
_making = tables.shift_makings.c
_NOT_SHOWN = ("region_id", "pickup", "dropoff", "trip_ids")


def _select(min_count: int | None) -> tuple[Select[Any], Any]:
    """Shifts with all that is shown of them, and their columns; with k, of so many riders at least, and rounded."""
    source = tables.shifts if min_count is None else coarse_shifts(min_count)
    statement = select(
        tables.regions.c.name.label("region"),
        *(column for column in source.c if column.name not in _NOT_SHOWN),
        *(
            function(place).label(f"{place.name}_{axis}")
            for place in (source.c.pickup, source.c.dropoff)
            for axis, function in (("x", ST_X), ("y", ST_Y))
        ),
    ).join_from(source, tables.regions, tables.regions.c.region_id == source.c.region_id)
    return statement, source.c


def select_newest_week(region_id: int) -> Select[Any]:
    """The Monday of the newest week whose shifts were made; null if there is none."""
    return select(func.max(_making.week)).where(_making.region_id == region_id)


def select_history_weeks(region_id: int, monday: date) -> Select[Any]:
    """The Mondays of the weeks that a week's shifts were made from, and the number of their trips."""
    counts = tables.file_week_counts.c
    trips = (
        select(func.coalesce(func.sum(counts.trips), 0))
        .where(counts.region_id == _making.region_id, counts.week == any_(_making.history_weeks))
        .scalar_subquery()
    )
    return select(_making.history_weeks, cast(trips, BigInteger).label("trips")).where(
        _making.region_id == region_id, _making.week == monday
    )


def select_served_trips(region_id: int, monday: date) -> Select[Any]:
    """Trips and weekdays of the shifts after a week, best first."""
    found = select(_shift.trips, _shift.weekdays).where(_shift.region_id == region_id, _shift.week == monday)
    return found.order_by(_shift.rank)


def select_shifts(
    region_id: int,
    monday: date,
    *,
    weekday: int | None = None,
    weekdays: Sequence[int] | None = None,
    window: TimeWindow | None = None,
    area: Box | Area | None = None,
    after: int = 0,
    limit: int | None = None,
    min_count: int | None = None,
) -> Select[Any]:
    """The shifts of a region after a week, best first.

    Args:
        region_id: the region.
        monday: of the week.
        weekday: one on which they depart, 0 for Monday.
        weekdays: on at least one of which they depart.
        window: contains the typical departure.
        area: contains pickup and drop-off.
        after: rank of the last shift of the previous page.
        limit: largest number of rows; None for all.
        min_count: k, if only shifts of at least so many riders are shown, and these are rounded.
    """
    shifts, column = _select(min_count)
    conditions = [column.region_id == region_id, column.week == monday, column.rank > after]
    if weekday is not None:
        conditions.append(column.weekdays.bitwise_and(1 << weekday) != 0)
    if weekdays is not None:
        conditions.append(column.weekdays.bitwise_and(sum(1 << day for day in weekdays)) != 0)
    if window is not None:
        conditions.append(is_within(column.departs, window))
    if area is not None:
        conditions += [lies_in(column.pickup, area), lies_in(column.dropoff, area)]
    return shifts.where(*conditions).order_by(column.rank).limit(limit)


def select_region_id_of(shift_id: int, region: str | None, min_count: int | None = None) -> Select[Any]:
    """The region of a shift: ids of two regions may be equal by chance, then the first name counts."""
    names = tables.regions.c
    found = select(names.region_id).join(tables.shifts, _shift.region_id == names.region_id)
    if min_count is not None:
        found = found.where(_shift.riders >= min_count)
    found = found.where(_shift.shift_id == shift_id).order_by(collate(names.name, "C")).limit(1)
    return found if region is None else found.where(names.name == region)


def select_history(region_id: int, shift_id: int, min_count: int | None = None) -> Select[Any]:
    """A shift in every week in which it was made, by week."""
    shifts, column = _select(min_count)
    return shifts.where(column.region_id == region_id, column.shift_id == shift_id).order_by(column.week)


def select_shift_trip_ids(region_id: int, shift_id: int, week: date | None) -> Select[Any]:
    """Ids of the trips of a shift, ascending; without a week, in the newest one in which it was made."""
    found = select(_shift.trip_ids).where(_shift.region_id == region_id, _shift.shift_id == shift_id)
    return found.order_by(_shift.week.desc()).limit(1) if week is None else found.where(_shift.week == week)


def select_trips(trip_ids: Sequence[int]) -> Select[Any]:
    """Trips by id.

    Args:
        trip_ids: ascending, at least one.
    """
    ids = (
        func.unnest(bindparam("trip_ids", trip_ids, ARRAY(BigInteger)))
        .table_valued("trip_id", name="ids")
        .render_derived()
    )
    return select_listed_trips(ids, monday_of_id(trip_ids[0]), monday_of_id(trip_ids[-1]))


def select_start_of_trip(trip_id: int) -> Select[Any]:
    """Region id and start of a trip."""
    trips, monday = tables.trips.c, monday_of_id(trip_id)
    return select(trips.region_id, trips.started_at).where(
        trips.trip_id == trip_id, trips.started_at >= monday, trips.started_at < monday + ONE_WEEK
    )


def select_newest_week_with(region_id: int, monday: date) -> Select[Any]:
    """The Monday of the newest week whose shifts were made from trips of a week; null if there is none."""
    return select_newest_week(region_id).where(_making.history_weeks.any(monday))


def select_shift_of_trip(region_id: int, week: date, trip_id: int, started_at: Any) -> Select[Any]:
    """The shift that counts a trip in a week's making."""
    found = (
        func.shifts_store.shift_of_trip(region_id, week, trip_id, started_at)
        .table_valued("rank", "shift_id", name="found")
        .render_derived()
    )
    shifts, _ = _select(None)
    return shifts.join(found, found.c.rank == _shift.rank).where(
        _shift.region_id == region_id, _shift.week == week
    )
