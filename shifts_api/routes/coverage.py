"""How many trips the best shifts of a region serve together."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from shifts_api.queries import shifts as statements
from shifts_api.queries.database import Snapshot
from shifts_api.routes.shifts import MadeWeek, find_region_id
from shifts_api.web.errors import responses
from shifts_api.web.identity import identity_of

router = APIRouter(tags=["shifts"])

_MAX_POINTS = 100


class CoveragePoint(BaseModel):
    """The best shifts up to a rank."""

    shifts: int = Field(examples=[100])
    departures: int = Field(description="Their departures in a week.", examples=[412])
    trips: int = Field(
        description="Trips of the history that they serve, each counted once.", examples=[5210]
    )


class Coverage(BaseModel):
    """The trips that shifts serve, by the number of shifts."""

    region: str = Field(examples=["Turin"])
    week: str | None = Field(description="null if no shifts were made yet.", examples=["2018-W22"])
    history: list[str] = Field(description="Weeks that they were made from.", examples=[["2018-W22"]])
    trips: int | None = Field(
        description="All trips of these weeks; null where exact counts are withheld.", examples=[43400]
    )
    points: list[CoveragePoint] = Field(
        description=f"Up to {_MAX_POINTS} numbers of shifts; the last one is all of them. None where `trips` is null."
    )


@router.get("/shifts/coverage", responses=responses(404), summary="Trips that the best shifts serve")
async def get_coverage(
    connection: Snapshot,
    request: Request,
    region: Annotated[str, Query(min_length=1, max_length=1024, examples=["Turin"])],
    week: MadeWeek = None,
) -> Coverage:
    """The first shifts of `/shifts`, which are the best, and the share of the history's trips that they serve."""
    region_id = await find_region_id(connection, region)
    monday = week or await connection.scalar(statements.select_newest_week(region_id))
    made = None
    if monday is not None:
        made = (await connection.execute(statements.select_history_weeks(region_id, monday))).one_or_none()
    if monday is None or made is None:
        return Coverage(region=region, week=None, history=[], trips=0, points=[])
    history = [f"{each:%G-W%V}" for each in made.history_weeks]
    if identity_of(request).rights.min_count is not None:
        return Coverage(region=region, week=f"{monday:%G-W%V}", history=history, trips=None, points=[])
    rows = (await connection.execute(statements.select_served_trips(region_id, monday))).all()
    served = np.cumsum([row.trips for row in rows], dtype=np.int64).tolist()
    departures = np.cumsum([row.weekdays.bit_count() for row in rows], dtype=np.int64).tolist()
    steps: list[int] = []
    if rows:
        steps = np.unique(np.rint(np.geomspace(1, len(rows), _MAX_POINTS)).astype(np.int64)).tolist()
    return Coverage(
        region=region,
        week=f"{monday:%G-W%V}",
        history=history,
        trips=made.trips,
        points=[CoveragePoint(shifts=n, departures=departures[n - 1], trips=served[n - 1]) for n in steps],
    )
