"""Trips that are counted one by one, since no tile can answer: how many, and how a statement selects them."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import shapely
from sqlalchemy import ARRAY, ColumnElement, Integer, LargeBinary, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.regions import Region
from shifts_core.polygons import Area
from shifts_core.schema.tables import file_week_counts
from shifts_core.tiles.region_index import RegionTileIndex
from shifts_core.time_filter import WEEKDAYS, TimeFilter

_TIMEOUT_S = 120


async def count_pending(
    connection: AsyncConnection, region: Region, weeks: tuple[date, date], whole: Sequence[date]
) -> int:
    """Trips that are counted one by one: those that are in no tile, and those of the weeks `whole`."""
    if not region.is_pending and not whole:
        return 0
    column = file_week_counts.c
    statement = select(func.coalesce(func.sum(column.trips), 0)).where(
        column.region_id == region.region_id,
        or_(~column.aggregated, column.week.in_(whole)),
        column.week.between(*weeks),
    )
    return int((await connection.execute(statement)).scalar_one())


def whole_weeks(index: RegionTileIndex, weeks: slice, *, needs_minutes: bool) -> list[date]:
    """Mondays of the weeks whose tiles cannot answer, as older versions wrote them."""
    if not needs_minutes:
        return []
    found: list[date] = index.weeks[weeks][index.without_minutes(weeks)].tolist()
    return found


async def allow_slow_count(connection: AsyncConnection) -> None:
    """Gives the next statement more time, which depends on the number of pending trips, not on the request."""
    timeout = func.set_config("statement_timeout", f"{_TIMEOUT_S}s", True)
    await connection.execute(select(timeout))


def sql_polygon(area: Area | None) -> ColumnElement[Any]:
    """A polygon as a parameter of SQL functions."""
    wkb = None if area is None else shapely.to_wkb(area)
    return func.ST_GeomFromWKB(literal(wkb, LargeBinary), 4326)


def sql_times(times: TimeFilter) -> list[Any]:
    """Weekdays, first and end minute as parameters of SQL functions."""
    weekdays, window = times
    numbers = None if weekdays is None else [WEEKDAYS.index(day) + 1 for day in weekdays]
    return [literal(numbers, ARRAY(Integer)), *(window or (None, None))]
