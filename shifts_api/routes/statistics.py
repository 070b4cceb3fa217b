"""Routes for weekly statistics of an area: the original service's call and the extended one."""

import asyncio
import math
import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from shifts_api.queries.counted_cells import find_counted_cells
from shifts_api.queries.counters import counters_of
from shifts_api.queries.database import open_snapshot
from shifts_api.queries.weekly_trips import CountedTrips, Trips, weekly_trips
from shifts_api.routes.counting import answer_counted, count_trips, require_region, with_area
from shifts_api.web.area import AreaParameters
from shifts_api.web.conditional import NOT_MODIFIED, IfNoneMatch
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of
from shifts_api.web.parameters import MatchParameter
from shifts_api.web.start_times import StartTimesParameters, parse_times
from shifts_api.weekly_answer import CellsParameter, WeeklyAnswer
from shifts_api.weekly_question import WeeklyQuestion
from shifts_core.tiles.box import EMPTY_BOX, Box
from shifts_core.trips.rules import NUMBER
from shifts_core.weekly_mean import Weeks
from shifts_core.weekly_statistics import WeeklyQuery

router = APIRouter(tags=["statistics"])
original_router = APIRouter(tags=["statistics"])

_CORNER = re.compile(rf"\s*({NUMBER})\s*,\s*({NUMBER})\s*")


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
    response_model=WeeklyAnswer,
    response_model_exclude_unset=True,
    responses={**NOT_MODIFIED, **responses(404)},
    summary="Trips per week in an area",
)
async def weekly(
    request: Request,
    response: Response,
    area: AreaParameters,
    starts: StartTimesParameters,
    region: Annotated[str, Query(examples=["Turin"])],
    match: MatchParameter = "both",
    weeks: Annotated[Weeks, Query(description="Which weeks the mean divides by.")] = "active",
    cells: CellsParameter = False,
    _: IfNoneMatch = None,
) -> Any:
    """Borders are inside. `from` and `to` are ISO weeks or dates; the whole week of a date counts."""
    query = WeeklyQuery(region, None, match, weeks, starts.first, starts.last, starts.times)
    query, revision = await with_area(request, query, area)
    if cells:
        return await _with_cells(request, query)
    return await _answer(request, response, query, revision)


@router.post(
    "/trips/weekly",
    response_model_exclude_unset=True,
    responses=responses(404),
    summary="Trips per week in a long polygon",
)
async def post_weekly(request: Request, question: WeeklyQuestion) -> WeeklyAnswer:
    """The same as `GET /trips/weekly`, for polygons that are too long for a URL. Nothing is stored."""
    query = WeeklyQuery(
        question.region,
        None,
        question.match,
        question.weeks,
        question.first,
        question.last,
        parse_times(question.weekdays, question.time),
    )
    area = await asyncio.to_thread(question.area)
    query, _ = await with_area(request, query, area)
    if question.cells:
        return await _with_cells(request, query)
    return _statistics(query, await count_trips(request, query))


async def _answer(
    request: Request, response: Response, query: WeeklyQuery, revision: str = ""
) -> WeeklyAnswer | Response:
    return await answer_counted(request, response, query, revision, _statistics)


def _statistics(query: WeeklyQuery, counted: CountedTrips) -> WeeklyAnswer:
    trips = {week: int(of_week.sum()) for week, of_week in counted.trips.items()}
    statistics = query.statistics(trips, counted.region.span, counted.region.as_of)
    return WeeklyAnswer(**dict(statistics))


async def _with_cells(request: Request, query: WeeklyQuery) -> WeeklyAnswer:
    """The answer with the cells that it counts, in one snapshot.

    Raises:
        ApiError: 400, the request is counted exactly, or there are too many cells; 503, too many requests wait.
    """
    counters = counters_of(request)
    if counters.tiles.source.min_count is None:
        raise ApiError(400, "cells: this request is counted exactly, not from cells")
    identity_of(request).require_regions([query.region])

    async def read() -> WeeklyAnswer:
        async with open_snapshot(request) as connection:
            region = await require_region(connection, query.region, counters.tiles.source.min_count)
            limits = query.limits(region.span)
            trips: Trips | None = {}
            if limits is not None:
                trips = await weekly_trips(connection, counters.tiles, region, query, limits, math.inf)
            cells = await find_counted_cells(connection, counters.tiles, region, query)
        return _statistics(query, CountedTrips(trips or {}, region)).model_copy(update={"cells": cells})

    answer: WeeklyAnswer = await counters.slow.run(("cells", query), read)
    return answer
