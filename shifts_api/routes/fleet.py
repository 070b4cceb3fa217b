"""What a timetable of shifts takes and gives: vehicles for a day, and a GTFS feed."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from shifts_api.queries import shifts as statements
from shifts_api.queries.database import snapshot
from shifts_api.routes.shifts import MadeWeek, find_region_id
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of
from shifts_core.shifts.fleet import Vehicles, minimum_fleet
from shifts_core.shifts.gtfs import Publication, Timetable, write_feed
from shifts_core.time_filter import WEEKDAYS, Weekday

router = APIRouter(tags=["shifts"])

Region = Annotated[str, Query(min_length=1, max_length=1024, examples=["Turin"])]
_MAX_WAYS = 12_000
"""Departures times vehicles: the graph of so many takes up to 300 MB."""
_FEED_DAYS = 28
_snapshot = asynccontextmanager(snapshot)
_one_at_a_time = asyncio.Semaphore(1)


class RosterEntry(BaseModel):
    """A departure that a vehicle drives."""

    shift_id: int = Field(examples=[2776266860134401])
    rank: int = Field(examples=[1])
    departs: str = Field(examples=["08:05"])
    arrives: str = Field(description="Past 24:00 on the next day.", examples=["08:21"])
    riders: int = Field(examples=[8])
    pickup: tuple[float, float] = Field(examples=[[7.6824, 45.0703]])
    dropoff: tuple[float, float] = Field(examples=[[7.6615, 45.0316]])


class FleetOfDay(BaseModel):
    """The least number of vehicles for the departures of a day, and what each of them drives."""

    region: str = Field(examples=["Turin"])
    week: str | None = Field(description="null if no shifts were made yet.", examples=["2018-W22"])
    weekday: Weekday = Field(examples=["tue"])
    capacity: int = Field(examples=[8])
    speed_kmh: float = Field(examples=[25])
    departures: int = Field(examples=[1])
    vehicles: int = Field(examples=[1])
    rosters: list[list[RosterEntry]] = Field(description="One a vehicle, by time.")


@router.get(
    "/fleet", response_model=FleetOfDay, responses=responses(404), summary="Vehicles for a day's departures"
)
async def fleet(
    request: Request,
    region: Region,
    weekday: Weekday,
    week: MadeWeek = None,
    capacity: Annotated[int, Query(ge=1, le=1000, description="Riders of a vehicle.")] = 8,
    speed_kmh: Annotated[float, Query(ge=1, le=1000, description="Mean speed along the road.")] = 25,
    limit: Annotated[int, Query(ge=1, le=5000, description="Only so many shifts, the best.")] = 5000,
) -> Response:
    """Exact for expected riders, rounded up, and driving times of 1.3 times the great-circle distance."""
    rows, monday = await _read(request, region, week, WEEKDAYS.index(weekday), limit)
    riders = np.array([np.ceil(row["riders"]) for row in rows], np.int64)
    ways = int(np.maximum(-(-riders // capacity), 1).sum())
    if ways > _MAX_WAYS:
        raise ApiError(
            400, f"limit: {ways} vehicle trips are needed, more than {_MAX_WAYS}; ask for fewer shifts"
        )

    def plan() -> str:
        vehicles = Vehicles(capacity, speed_kmh)
        rosters = _rosters(rows, riders, vehicles)
        return FleetOfDay(
            region=region,
            week=None if monday is None else f"{monday:%G-W%V}",
            weekday=weekday,
            capacity=capacity,
            speed_kmh=speed_kmh,
            departures=len(rows),
            vehicles=len(rosters),
            rosters=rosters,
        ).model_dump_json()

    async with _one_at_a_time:
        return Response(await asyncio.to_thread(plan), media_type="application/json")


@router.get(
    "/gtfs",
    response_class=Response,
    responses={
        200: {
            "description": "A zip archive",
            "content": {
                "application/zip": {"schema": {"type": "string", "format": "binary"}, "example": "PK…"}
            },
        },
        **responses(404),
    },
    summary="Shifts as a GTFS feed",
)
async def gtfs(
    request: Request,
    region: Region,
    week: MadeWeek = None,
    timezone: Annotated[
        str,
        Query(
            max_length=100,
            description="Of the trips' wall clock, which trips do not carry.",
            examples=["UTC"],
        ),
    ] = "UTC",
) -> Response:
    """A route with one trip a day for each shift, for the 28 days after the week."""
    if timezone not in available_timezones():
        raise ApiError(400, "timezone: a name of the IANA time zone database is needed")
    rows, monday = await _read(request, region, week)
    if monday is None or not rows:
        raise ApiError(404, f"Region {region} has no shifts" + ("" if week is None else f" in {week:%G-W%V}"))
    first = monday + timedelta(days=7)
    last = first + timedelta(days=_FEED_DAYS - 1)
    publication = Publication("Shifts", str(request.base_url), str(ZoneInfo(timezone)), "en", first, last)
    async with _one_at_a_time:
        feed = await asyncio.to_thread(lambda: write_feed(_timetable(rows), publication))
    return Response(
        feed, media_type="application/zip", headers={"Content-Disposition": 'attachment; filename="gtfs.zip"'}
    )


async def _read(
    request: Request,
    region: str,
    week: date | None,
    weekday: int | None = None,
    limit: int | None = None,
) -> tuple[list[RowMapping], date | None]:
    """The shifts of a region, best first, and the Monday of their week."""
    # Returned before the work begins: a request that waits for its turn holds no connection.
    async with _snapshot(request) as connection:
        region_id = await find_region_id(connection, region)
        monday = week or await connection.scalar(statements.select_newest_week(region_id))
        if monday is None:
            return [], None
        min_count = identity_of(request).rights.min_count
        statement = statements.select_shifts(
            region_id, monday, weekday=weekday, limit=limit, min_count=min_count
        )
        return list((await connection.execute(statement)).mappings()), monday


def _timetable(rows: list[RowMapping]) -> Timetable:
    places = _places(rows)
    return Timetable(
        np.array([row["shift_id"] for row in rows], np.int64),
        places,
        _departs_s(rows),
        Vehicles().driving_s(places[:, :2], places[:, 2:]),
        (np.array([row["weekdays"] for row in rows], np.int64)[:, None] >> np.arange(7) & 1).astype(np.bool_),
        [(row["pickup_stop"], row["dropoff_stop"]) for row in rows],
    )


def _rosters(rows: list[RowMapping], riders: Any, vehicles: Vehicles) -> list[list[RosterEntry]]:
    if not rows:
        return []
    places, departs_s = _places(rows), _departs_s(rows)
    arrives_s = departs_s + vehicles.driving_s(places[:, :2], places[:, 2:])
    found = minimum_fleet(places, departs_s, riders, vehicles)
    return [
        [
            RosterEntry(
                shift_id=rows[row]["shift_id"],
                rank=rows[row]["rank"],
                departs=_clock(departs_s[row]),
                arrives=_clock(arrives_s[row]),
                riders=on_board,
                pickup=(places[row, 0], places[row, 1]),
                dropoff=(places[row, 2], places[row, 3]),
            )
            for row, on_board in zip(departures, shares, strict=True)
        ]
        for departures, shares in zip(found.rosters, found.riders, strict=True)
    ]


def _places(rows: list[RowMapping]) -> Any:
    names = ("pickup_x", "pickup_y", "dropoff_x", "dropoff_y")
    return np.array([[row[name] for name in names] for row in rows], np.float64).reshape(-1, 4)


def _departs_s(rows: list[RowMapping]) -> Any:
    clocks = [row["departs"] for row in rows]
    return np.array([3600 * t.hour + 60 * t.minute + t.second for t in clocks], np.float64)


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
