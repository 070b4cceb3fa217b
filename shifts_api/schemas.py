"""The bodies of `POST /trips`: lists of trips, by the rules of a trip row, and requests for files."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from shifts_api.web.errors import ApiError, describe
from shifts_core.calendar import DateRange
from shifts_core.trips.rules import (
    MAX_LATITUDE,
    MAX_LONGITUDE,
    NUMBER,
    check_date,
    clean_name,
    is_on_earth,
    parse_timestamp,
)

MAX_TRIPS = 100_000
_POINT = re.compile(rf"\s*\[\s*({NUMBER})\s*,\s*({NUMBER})\s*\]\s*", re.ASCII)


def _numbers(value: object) -> object:
    """The two numbers of a list, or of the string that original clients write."""
    if not isinstance(value, str):
        return value
    match = _POINT.fullmatch(value[:200])
    if match is None:
        raise ValueError('two numbers are needed, as [7.68, 45.07] or "[7.68, 45.07]"')
    return [float(match[1]), float(match[2])]


def _on_earth(point: tuple[float, float]) -> tuple[float, float]:
    if not is_on_earth(*point):
        raise ValueError("out of range: [longitude, latitude] within ±180 and ±90 is needed")
    return point


def _timestamp(value: object) -> datetime:
    timestamp = parse_timestamp(value[:100]) if isinstance(value, str) else None
    if timestamp is None:
        raise ValueError("YYYY-MM-DD HH:MM:SS is needed")
    return timestamp


Point = Annotated[
    tuple[
        Annotated[float, Field(strict=True, allow_inf_nan=False)],
        Annotated[float, Field(strict=True, allow_inf_nan=False)],
    ],
    BeforeValidator(_numbers),
    AfterValidator(_on_earth),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "prefixItems": [
                        {"type": "number", "minimum": -MAX_LONGITUDE, "maximum": MAX_LONGITUDE},
                        {"type": "number", "minimum": -MAX_LATITUDE, "maximum": MAX_LATITUDE},
                    ],
                    "minItems": 2,
                    "maxItems": 2,
                },
                {"type": "string", "pattern": r"^\[-?\d{1,2}(\.\d+)?, ?-?\d{1,2}(\.\d+)?\]$"},
            ],
            "description": "Longitude and latitude in degrees.",
            "examples": [[7.6824, 45.0703], "[7.6824, 45.0703]"],
        }
    ),
]
Timestamp = Annotated[
    datetime,
    BeforeValidator(_timestamp),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
            r"[ T]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?$",
            "description": "Local wall clock, from 2000-01-03 to a year ahead.",
            "examples": ["2018-05-28 09:03:40"],
        }
    ),
]
Region = Annotated[str, Field(strict=True), AfterValidator(partial(clean_name, required=True))]
Source = Annotated[str, Field(strict=True), AfterValidator(partial(clean_name, required=False))]


class PostedTrip(BaseModel):
    """One trip of a posted list."""

    region: Annotated[Region, Field(min_length=1, pattern=r"\S", examples=["Turin"])]
    origin: Point
    destination: Point
    timestamp: Timestamp
    source: Annotated[Source, Field(examples=["funny_car"])]


class PostedTrips(BaseModel):
    """Trips in the request itself; either all of them are stored or none."""

    data_type: Literal["json"]
    data: Annotated[list[PostedTrip], Field(min_length=1, max_length=MAX_TRIPS)]


class FileRequest(BaseModel):
    """A file to be loaded: `mocked` for one below the landing folder, `gcp` for one in the bucket."""

    model_config = ConfigDict(strict=True)

    data_type: Literal["mocked", "gcp"]
    data: Annotated[
        str, Field(min_length=1, max_length=2048, examples=["trips.csv", "gs://bucket/trips.csv"])
    ]


_BODY: TypeAdapter[PostedTrips | FileRequest] = TypeAdapter(
    Annotated[PostedTrips | FileRequest, Field(discriminator="data_type")]
)


def read_body(body: bytes, dates: DateRange) -> PostedTrips | FileRequest:
    """The validated body of a request.

    Raises:
        ApiError: 400, the message names the first invalid fields.
    """
    try:
        posted = _BODY.validate_json(body)
    except ValidationError as error:
        raise ApiError(400, _describe(error.errors(include_input=False, include_url=False))) from None
    if isinstance(posted, PostedTrips):
        for number, trip in enumerate(posted.data):
            try:
                check_date(trip.timestamp, dates)
            except ValueError as error:
                raise ApiError(400, f"data.{number}.timestamp: {error}") from None
    return posted


def _describe(errors: Sequence[Any]) -> str:
    for error in errors:
        # The tag of the union is not a field of the body.
        if error["loc"] and error["loc"][0] in ("json", "mocked", "gcp"):
            error["loc"] = error["loc"][1:]
        if error["type"].startswith("union_tag"):
            error["loc"], error["msg"] = ("data_type",), "json, mocked or gcp is needed"
        elif not error["loc"]:
            error["loc"] = ("body",)
    return describe(errors)
