"""Routes for weekly statistics of a box: the original service's call and the extended one."""

import math
import re
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from shifts_api.queries.database import snapshot
from shifts_api.queries.slow_counts import SlowCounts
from shifts_api.queries.tile_cache import TileCache
from shifts_api.queries.weekly_trips import Region, count_pending_trips, find_region, weekly_trips
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.parameters import WEEK_EXAMPLES, Week, parse_box
from shifts_core.tiles.box import EMPTY_BOX, Box, Match
from shifts_core.weekly_mean import Weeks, divisor, week_limits

router = APIRouter(tags=["statistics"])

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_CORNER = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*")
_MAX_FAST_PENDING = 100_000
"""Up to so many trips that are in no tile yet are counted without waiting: that takes a tenth of a second."""
_snapshot = asynccontextmanager(snapshot)


class _Query(NamedTuple):
    """What a request counts; equal queries may share a count."""

    region: str
    box: Box
    match: Match = "both"
    weeks: Weeks = "active"
    first: date | None = None
    last: date | None = None


class Mean(BaseModel):
    """Mean number of trips per week."""

    mean: float | None = Field(examples=[1.5], description="Trips per week; null if no trip matches.")


class WeekTrips(BaseModel):
    """Trips of one week."""

    week: str = Field(examples=["2018-W22"])
    monday: date
    trips: int


class Filter(BaseModel):
    """The filter that was applied."""

    region: str
    bbox: Box
    match: Match
    weeks: Weeks
    from_week: str | None
    to_week: str | None


class WeeklyStatistics(BaseModel):
    """Trips per week in a box, with the filter that was applied."""

    mean: float | None
    num_weeks: int = Field(description="Weeks the mean divides by.")
    total_trips: int
    series: list[WeekTrips]
    filter: Filter
    as_of: datetime = Field(description="Time of the snapshot; trips committed later are not counted.")


@router.get(
    "/trips/stats",
    responses=responses(400),
    summary="Weekly mean of trips with both ends in a box",
    openapi_extra={
        "parameters": [
            {"name": name, "in": "query", "required": True, "schema": {"type": "string"}, "example": example}
            for name, example in (("region", "Turin"), ("nortest", "7.72,45.1"), ("southest", "7.6,45.0"))
        ]
    },
)
async def stats(request: Request) -> Mean:
    """The original service's call: `nortest` is the upper right corner, `southest` the lower left one, as x,y."""
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
    # The original service does not know boxes across the antimeridian.
    box = Box(west, south, east, north) if west <= east else EMPTY_BOX
    _, trips = await _count(request, _Query(given["region"], box))
    return Mean(mean=sum(trips.values()) / len(trips) if trips else None)


@router.get("/trips/weekly", responses=responses(400), summary="Trips per week in a box")
async def weekly(
    request: Request,
    region: Annotated[str, Query(examples=["Turin"])],
    bbox: Annotated[
        str, Query(description="west,south,east,north in degrees", examples=["7.6,45.0,7.72,45.1"])
    ],
    match: Annotated[Match, Query(description="Which ends must lie in the box.")] = "both",
    weeks: Annotated[Weeks, Query(description="Which weeks the mean divides by.")] = "active",
    first: Annotated[
        Week | None,
        Query(
            alias="from", description="The first week that counts, or a date in it.", examples=WEEK_EXAMPLES
        ),
    ] = None,
    last: Annotated[
        Week | None,
        Query(alias="to", description="The last week that counts, or a date in it.", examples=WEEK_EXAMPLES),
    ] = None,
) -> WeeklyStatistics:
    """Borders are inside the box. `from` and `to` are ISO weeks or dates; the whole week of a date counts."""
    box = parse_box(bbox)
    found, trips = await _count(request, _Query(region, box, match, weeks, first, last))
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


async def _count(request: Request, query: _Query) -> tuple[Region, dict[date, int]]:
    """The region and its matching trips by Monday, in one snapshot.

    Raises:
        ApiError: 400, the region has never had trips; 503, too many slow counts are waiting.
    """
    tiles: TileCache = request.app.state.tiles
    slow: SlowCounts[tuple[Region, dict[date, int]]] = request.app.state.slow_counts

    async def count(max_pending: float) -> tuple[Region, dict[date, int]] | None:
        async with _snapshot(request) as connection:
            region = await find_region(connection, query.region)
            if region is None:
                raise ApiError(400, f"Region {query.region} not found")
            limits = week_limits(query.weeks, region.span, query.first, query.last)
            if limits is None:
                return region, {}
            if await count_pending_trips(connection, region, limits) > max_pending:
                return None
            return region, await weekly_trips(connection, tiles, region, query.box, query.match, limits)

    async def count_all() -> tuple[Region, dict[date, int]]:
        counted = await count(math.inf)
        assert counted is not None
        return counted

    # A request that waits for a slow count holds no connection.
    return await count(_MAX_FAST_PENDING) or await slow.run(query, count_all)
