"""Weekly statistics of a box: the original service's call and the complete one."""

import math
import re
from collections.abc import Callable, Hashable
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from shifts_api.queries.database import snapshot
from shifts_api.queries.slow_counts import SlowCounts
from shifts_api.queries.tile_cache import TileCache
from shifts_api.queries.weekly_trips import Region, find_region, pending_trips, weekly_trips
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.parameters import FromText, ToText, read_box, read_week
from shifts_core.tiles.box import Box, Match
from shifts_core.weekly_mean import Weeks, divisor, week_limits

router = APIRouter(tags=["statistics"])

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_CORNER = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*")
_FEW_TRIPS = 100_000
"""Trips that are in no tile yet and are counted at once: that takes a tenth of a second."""
_snapshot = asynccontextmanager(snapshot)
_FOR_EVER = (date(1970, 1, 5), date(2999, 12, 30))


class Mean(BaseModel):
    """The weekly mean."""

    mean: float | None = Field(examples=[1.5], description="Trips a week; null when no trip matches.")


class WeekTrips(BaseModel):
    """One week of the series."""

    week: str = Field(examples=["2018-W22"])
    monday: date
    trips: int


class Filter(BaseModel):
    """What was counted."""

    region: str
    bbox: Box
    match: Match
    weeks: Weeks
    from_week: str | None
    to_week: str | None


class WeeklyStatistics(BaseModel):
    """Trips a week, with what was counted."""

    mean: float | None
    num_weeks: int = Field(description="Weeks the mean divides by.")
    total_trips: int
    series: list[WeekTrips]
    filter: Filter
    as_of: datetime = Field(description="The moment whose trips were counted; later ones are not in.")


@router.get(
    "/trips/stats",
    responses=responses(400),
    summary="Weekly mean of trips whose both ends lie in a box",
    openapi_extra={
        "parameters": [
            {"name": name, "in": "query", "required": True, "schema": {"type": "string"}, "example": example}
            for name, example in (("region", "Turin"), ("nortest", "7.72,45.1"), ("southest", "7.6,45.0"))
        ]
    },
)
async def stats(request: Request) -> Mean:
    """The original call: `nortest` is the upper right corner, `southest` the lower left one, as x,y."""
    given = request.query_params
    missing = sorted(name for name in ("region", "nortest", "southest") if not given.get(name))
    if missing:
        raise ApiError(400, f"Missing query parameters: {', '.join(missing)}")
    corners = {name: _CORNER.fullmatch(given[name]) for name in ("nortest", "southest")}
    wrong = sorted(name for name, corner in corners.items() if corner is None)
    if wrong:
        raise ApiError(400, f"Wrong format in query parameters: {', '.join(wrong)}")
    (east, north), (west, south) = (
        (float(corner[1]), float(corner[2])) for corner in corners.values() if corner is not None
    )
    # The original knows no antimeridian: such a box holds nothing.
    weeks = None if west > east else _FOR_EVER
    box = Box(west, south, east, north)
    _, trips = await _count(request, given["region"], box, "both", lambda _: weeks)
    return Mean(mean=sum(trips.values()) / len(trips) if trips else None)


@router.get("/trips/weekly", responses=responses(400), summary="Trips a week in a box, week by week")
async def weekly(
    request: Request,
    region: Annotated[str, Query(examples=["Turin"])],
    bbox: Annotated[
        str, Query(description="west,south,east,north in degrees", examples=["7.6,45.0,7.72,45.1"])
    ],
    match: Annotated[Match, Query(description="Which ends must lie in the box.")] = "both",
    weeks: Annotated[Weeks, Query(description="Which weeks the mean divides by.")] = "active",
    from_: FromText = None,
    to: ToText = None,
) -> WeeklyStatistics:
    """Borders count as inside. `from` and `to` are ISO weeks or dates, whose whole weeks count."""
    box = read_box(bbox)
    first = None if from_ is None else read_week("from", from_)
    last = None if to is None else read_week("to", to)
    found, trips = await _count(
        request, region, box, match, lambda of: week_limits(weeks, of.span, first, last), (weeks, first, last)
    )
    divided_by = divisor(weeks, trips, found.span, first, last)
    total = sum(trips.values())
    return WeeklyStatistics(
        mean=total / divided_by if total else None,
        num_weeks=divided_by,
        total_trips=total,
        series=[WeekTrips(week=f"{w:%G-W%V}", monday=w, trips=n) for w, n in trips.items()],
        filter=Filter(
            region=region,
            bbox=box,
            match=match,
            weeks=weeks,
            from_week=f"{first:%G-W%V}" if first else None,
            to_week=f"{last:%G-W%V}" if last else None,
        ),
        as_of=found.as_of,
    )


async def _count(
    request: Request,
    name: str,
    box: Box,
    match: Match,
    limits: Callable[[Region], tuple[date, date] | None],
    asked: Hashable = None,
) -> tuple[Region, dict[date, int]]:
    """The region and its trips by Monday, of one snapshot.

    Args:
        request: of the client.
        name: of the region.
        box: closed.
        match: which ends must lie in it.
        limits: first and last Monday that count in a region, None for no week.
        asked: what `limits` depends on.
    """
    tiles: TileCache = request.app.state.tiles
    slow: SlowCounts[tuple[Region, dict[date, int]]] = request.app.state.slow_counts

    async def count(max_pending: float) -> tuple[Region, dict[date, int]] | None:
        async with _snapshot(request) as connection:
            region = await find_region(connection, name)
            if region is None:
                raise ApiError(400, f"Region {name} not found")
            weeks = limits(region)
            if weeks is None:
                return region, {}
            if await pending_trips(connection, region, weeks) > max_pending:
                return None
            return region, await weekly_trips(connection, tiles, region, box, match, weeks)

    async def count_all() -> tuple[Region, dict[date, int]]:
        counted = await count(math.inf)
        assert counted is not None
        return counted

    # While it waits for its turn, a request holds no connection.
    return await count(_FEW_TRIPS) or await slow.run((name, box, match, asked), count_all)
