"""`POST /trips`, the original service's call: a list of trips, or the name of a file."""

import asyncio
from datetime import date
from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from shifts_api.access.idempotency import IdempotencyKey, fingerprint
from shifts_api.queries.database import Pools
from shifts_api.queries.files import queue_file
from shifts_api.queries.posting import insert_trips
from shifts_api.schemas import FileRequest, read_body
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of
from shifts_api.web.parameters import TASK_ID
from shifts_api.web.uploads import check_is_of_trips, landing_errors
from shifts_core.calendar import DateRange
from shifts_core.landing.zone import FileReference, LandingZone

router = APIRouter(tags=["trips"])

_MODELS = [{"$ref": f"#/components/schemas/{model}"} for model in ("PostedTrips", "FileRequest")]
_BODY = {"required": True, "content": {"application/json": {"schema": {"oneOf": _MODELS}}}}


class Inserted(BaseModel):
    """The trips are committed."""

    message: str = Field("Points inserted", examples=["Points inserted"])


class Accepted(BaseModel):
    """The file is queued durably."""

    message: str = Field(examples=[f"Task is processing: {TASK_ID}"])
    metadata: str = Field("PENDING", examples=["PENDING"])


@router.post(
    "/trips",
    status_code=201,
    response_model=Inserted,
    responses={
        202: {"model": Accepted, "description": "The file is queued"},
        **responses(408, 422),
    },
    openapi_extra={"requestBody": _BODY},
    summary="Trips, or the name of a file of trips",
)
async def post_trips(request: Request, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """A list is committed as a whole before the answer is sent; one invalid trip refuses all of them."""
    settings: ApiSettings = request.app.state.settings
    body = await request.body()
    today = date.today()  # noqa: DTZ011
    dates = DateRange.starting(settings.first_week, today, settings.retention_weeks)
    # Validating a long list takes a second: in a thread, so that other requests are answered.
    posted = await asyncio.to_thread(read_body, body, dates)
    print_ = fingerprint(b"/trips", body)
    pool = cast("Pools", request.app.state.pools).writes
    identity = identity_of(request)
    if isinstance(posted, FileRequest):
        # The file may hold trips of any region.
        identity.require_regions([None])
        file = _resolve(request.app.state.zone, posted)
        queued = await queue_file(pool, file, idempotency_key, print_)
        accepted = Accepted(message=f"Task is processing: {queued.task_id}", metadata="PENDING")
        return JSONResponse(accepted.model_dump(), 202)
    identity.require_regions({trip.region for trip in posted.data})
    async with pool.connect() as connection:
        await insert_trips(
            connection,
            posted.data,
            identity.rights,
            size=len(body),
            idempotency_key=idempotency_key,
            fingerprint=print_,
        )
    return JSONResponse(Inserted(message="Points inserted").model_dump(), 201)


def _resolve(zone: LandingZone, posted: FileRequest) -> FileReference:
    if posted.data_type == "gcp" and not posted.data.startswith("gs://"):
        raise ApiError(400, "data: gs://bucket/path is needed")
    with landing_errors("data"):
        file = zone.resolve(posted.data)
        check_is_of_trips(file.name)
        return file
