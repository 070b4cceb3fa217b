"""Routes for weekly statistics of a box: the original service's call and the extended one."""

import math
import re
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from shifts_api.queries.database import snapshot
from shifts_api.queries.regions import find_region
from shifts_api.queries.shared_reads import SharedReads
from shifts_api.queries.slow_counts import SlowCounts
from shifts_api.queries.tile_cache import TileCache
from shifts_api.queries.weekly_trips import CountedTrips, count_in_memory, weekly_trips
from shifts_api.web.conditional import NOT_MODIFIED, Counted, IfNoneMatch, answer_unless_known
from shifts_api.web.errors import ApiError
from shifts_api.web.parameters import (
    TIME_PARAMETER,
    WEEK_EXAMPLES,
    WEEKDAYS_PARAMETER,
    Week,
    parse_box,
    parse_times,
)
from shifts_core.tiles.box import EMPTY_BOX, Box, Match
from shifts_core.trips.rules import NUMBER
from shifts_core.weekly_mean import Weeks
from shifts_core.weekly_statistics import WeeklyQuery, WeeklyStatistics

router = APIRouter(tags=["statistics"])
original_router = APIRouter(tags=["statistics"])

_CORNER = re.compile(rf"\s*({NUMBER})\s*,\s*({NUMBER})\s*")
_MAX_FAST_PENDING = 100_000
"""Up to so many trips that are in no tile yet are counted without waiting: that takes a tenth of a second."""
_FIRST = "The first week that counts, or a date in it."
_LAST = "The last week that counts, or a date in it."
_snapshot = asynccontextmanager(snapshot)


class Mean(BaseModel):
    """Mean number of trips per week."""

    mean: float | None = Field(examples=[1.5], description="Trips per week; null if no trip matches.")


@original_router.get(
    "/trips/stats",
    response_model=Mean,
    responses=NOT_MODIFIED,
    summary="Weekly mean of trips with both ends in a box",
    openapi_extra={
        "parameters": [
            {"name": name, "in": "query", "required": True, "schema": {"type": "string"}, "example": example}
            for name, example in (("region", "Turin"), ("nortest", "7.72,45.1"), ("southest", "7.6,45.0"))
        ]
    },
)
async def stats(request: Request, response: Response, _: IfNoneMatch = None) -> Any:
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
    answer = await _answer(request, response, WeeklyQuery(given["region"], box))
    return answer if isinstance(answer, Response) else Mean(mean=answer.mean)


@router.get(
    "/trips/weekly",
    response_model=WeeklyStatistics,
    responses=NOT_MODIFIED,
    summary="Trips per week in a box",
)
async def weekly(
    request: Request,
    response: Response,
    region: Annotated[str, Query(examples=["Turin"])],
    bbox: Annotated[
        str, Query(description="west,south,east,north in degrees", examples=["7.6,45.0,7.72,45.1"])
    ],
    match: Annotated[Match, Query(description="Which ends must lie in the box.")] = "both",
    weeks: Annotated[Weeks, Query(description="Which weeks the mean divides by.")] = "active",
    weekdays: Annotated[str | None, WEEKDAYS_PARAMETER] = None,
    time: Annotated[str | None, TIME_PARAMETER] = None,
    first: Annotated[Week | None, Query(alias="from", description=_FIRST, examples=WEEK_EXAMPLES)] = None,
    last: Annotated[Week | None, Query(alias="to", description=_LAST, examples=WEEK_EXAMPLES)] = None,
    _: IfNoneMatch = None,
) -> Any:
    """Borders are inside the box. `from` and `to` are ISO weeks or dates; the whole week of a date counts."""
    times = parse_times(weekdays, time)
    return await _answer(
        request, response, WeeklyQuery(region, parse_box(bbox), match, weeks, first, last, times)
    )


async def _answer(request: Request, response: Response, query: WeeklyQuery) -> WeeklyStatistics | Response:
    """The statistics with their tag, or 304."""
    reads: SharedReads = request.app.state.reads

    async def find_revision() -> str | None:
        region, _ = await reads.read(query.region, None)
        return None if region is None else region.revision

    async def count() -> Counted[WeeklyStatistics]:
        statistics, region = await _count(request, query)
        return Counted(statistics, region.revision)

    return await answer_unless_known(request, response, find_revision, count)


async def _count(request: Request, query: WeeklyQuery) -> CountedTrips:
    """Counts from memory; else in one snapshot: at once, or in turn where many pending trips make the count slow.

    Raises:
        ApiError: 400, the region has never had trips; 503, too many slow counts are waiting.
    """
    tiles: TileCache = request.app.state.tiles
    slow: SlowCounts[CountedTrips | None] = request.app.state.slow_counts

    async def count(max_pending: float = math.inf) -> CountedTrips | None:
        async with _snapshot(request) as connection:
            region = await find_region(connection, query.region)
            if region is None:
                raise ApiError(400, f"Region {query.region} not found")
            limits = query.limits(region.span)
            if limits is None:
                return CountedTrips(query.statistics({}, region.span, region.as_of), region)
            trips = await weekly_trips(connection, tiles, region, query, limits, max_pending)
            if trips is None:
                return None
            tiles.remember(query.region, region)
        return CountedTrips(query.statistics(trips, region.span, region.as_of), region)

    answer = await count_in_memory(request.app.state.reads, tiles, query)
    if answer is None:
        # A request that waits for its turn holds no connection.
        answer = await count(_MAX_FAST_PENDING) or await slow.run(query, count)
    assert answer is not None
    return answer
