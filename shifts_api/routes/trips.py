"""Trips and file requests that clients post: the original service's call."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.access.idempotency import IdempotencyKey, fingerprint
from shifts_api.access.writers import Writer
from shifts_api.queries.database import Pools
from shifts_api.queries.files import queue_file
from shifts_api.schemas import FileRequest, PostedTrip, PostedTrips, read_body
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.uploads import landing_errors
from shifts_core.calendar import DateRange
from shifts_core.landing.zone import FileReference, LandingZone

router = APIRouter(tags=["trips"])

WEEKS_A_STEP = 10
"""New weeks made in one transaction: half a second at most, so that neither it nor who waits for it times out."""
_TRIP = {
    "region": "Turin",
    "origin": [7.6824, 45.0703],
    "destination": [7.6615, 45.0316],
    "timestamp": "2018-05-28 09:03:40",
    "source": "funny_car",
}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {"$ref": "#/components/schemas/PostedTrips"},
                    {"$ref": "#/components/schemas/FileRequest"},
                ]
            },
            "examples": {
                "json": {"summary": "Trips", "value": {"data_type": "json", "data": [_TRIP]}},
                "mocked": {
                    "summary": "A file below the landing folder",
                    "value": {"data_type": "mocked", "data": "trips.csv"},
                },
                "gcp": {
                    "summary": "A file in the landing bucket",
                    "value": {"data_type": "gcp", "data": "gs://bucket/landing/trips.csv"},
                },
            },
        }
    },
}


class Inserted(BaseModel):
    """The trips are committed."""

    message: str = Field("Points inserted", examples=["Points inserted"])


class Accepted(BaseModel):
    """The file is queued, durably."""

    message: str = Field(examples=["Task is processing: 9f3a6c1e4b7d4f0a8c2e5d7b9a1c3e5f"])
    metadata: str = Field("PENDING", examples=["PENDING"])


@router.post(
    "/trips",
    status_code=201,
    response_model=Inserted,
    responses={
        202: {"model": Accepted, "description": "The file is queued"},
        **responses(401, 408, 422),
    },
    openapi_extra={"requestBody": _BODY},
    summary="Trips, or the name of a file of them",
)
async def post_trips(request: Request, _: Writer, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """A list of trips is committed when the answer is sent, whole; with one invalid trip, nothing is."""
    settings: ApiSettings = request.app.state.settings
    body = await request.body()
    dates = DateRange.starting(settings.first_week, date.today())  # noqa: DTZ011
    # A long list takes a second to check: others are answered meanwhile.
    posted = await asyncio.to_thread(read_body, body, dates)
    print_ = fingerprint(b"/trips", body)
    pool = cast("Pools", request.app.state.pools).writes
    if isinstance(posted, FileRequest):
        file = _resolve(request.app.state.zone, posted)
        entry = await queue_file(pool, file, idempotency_key, print_)
        accepted = Accepted(message=f"Task is processing: {entry.task_id}", metadata="PENDING")
        return JSONResponse(accepted.model_dump(), 202)
    async with pool.connect() as connection:
        await _insert(connection, posted, len(body), idempotency_key, print_)
    return JSONResponse(Inserted(message="Points inserted").model_dump(), 201)


def _resolve(zone: LandingZone, posted: FileRequest) -> FileReference:
    if posted.data_type == "gcp" and not posted.data.startswith("gs://"):
        raise ApiError(400, "data: gs://bucket/path is needed")
    with landing_errors("data"):
        return zone.resolve(posted.data)


async def _insert(
    connection: AsyncConnection, posted: PostedTrips, size: int, idempotency_key: str | None, print_: str
) -> None:
    weeks, columns = await asyncio.to_thread(_columns, posted.data)
    *steps, last_step = [weeks[first : first + WEEKS_A_STEP] for first in range(0, len(weeks), WEEKS_A_STEP)]
    # Each step is committed alone: its locks are everyone's.
    for step in steps:
        await connection.execute(text("SELECT shifts_store.prepare_weeks(:weeks)"), {"weeks": step})
        await connection.commit()
    first_number = await connection.scalar(
        text("SELECT shifts_store.prepare_trips(:weeks, :size)"),
        {"weeks": last_step, "size": len(posted.data)},
    )
    await connection.commit()
    await connection.execute(
        text(
            """
            SELECT shifts_store.post_trips(
                CAST(:regions AS text[]), CAST(:sources AS text[]), CAST(:started_at AS timestamp[]),
                CAST(:origin_x AS float8[]), CAST(:origin_y AS float8[]),
                CAST(:destination_x AS float8[]), CAST(:destination_y AS float8[]),
                :first_number, :size, :key, :print)
            """
        ),
        {**columns, "first_number": first_number, "size": size, "key": idempotency_key, "print": print_},
    )
    await connection.commit()


def _columns(trips: Sequence[PostedTrip]) -> tuple[list[date], dict[str, Any]]:
    """The Mondays of trips, and their columns as PostgreSQL writes arrays.

    The driver would write them as well, but while everyone waits.
    """
    days = {trip.timestamp.date() for trip in trips}
    return sorted({day - timedelta(days=day.weekday()) for day in days}), {
        "regions": _array(_quoted(trip.region) for trip in trips),
        "sources": _array(_quoted(trip.source) for trip in trips),
        "started_at": _array(trip.timestamp.isoformat() for trip in trips),
        "origin_x": _array(repr(trip.origin[0]) for trip in trips),
        "origin_y": _array(repr(trip.origin[1]) for trip in trips),
        "destination_x": _array(repr(trip.destination[0]) for trip in trips),
        "destination_y": _array(repr(trip.destination[1]) for trip in trips),
    }


def _array(elements: Iterable[str]) -> str:
    return f"{{{','.join(elements)}}}"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
