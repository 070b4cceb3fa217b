"""What may be posted as trips, by the rules of a file's rows. Nothing here touches the database."""

import re
from collections.abc import Sequence
from datetime import datetime
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

MAX_TRIPS = 100_000
MAX_NAME_BYTES = 1024
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_POINT = re.compile(rf"\s*\[\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\]\s*", re.ASCII)
_TIMESTAMP = re.compile(
    r"[ \t]*(\d{4})-(\d\d)-(\d\d)(?:[Tt]|[ \t]+)(\d\d):(\d\d):(\d\d)(?:\.(\d+))?[ \t]*", re.ASCII
)


def _point(value: object) -> object:
    """Two numbers, of a list or of the string that original clients write."""
    if not isinstance(value, str):
        return value
    match = _POINT.fullmatch(value[:200])
    if match is None:
        raise ValueError('two numbers are needed, as [7.68, 45.07] or "[7.68, 45.07]"')
    return [float(match[1]), float(match[2])]


def _in_range(point: tuple[float, float]) -> tuple[float, float]:
    x, y = point
    if not (abs(x) <= 180 and abs(y) <= 90):
        raise ValueError("out of range: [longitude, latitude] within ±180 and ±90 is needed")
    return point


def _moment(value: object) -> datetime:
    match = _TIMESTAMP.fullmatch(value[:100]) if isinstance(value, str) else None
    if match is None:
        raise ValueError("YYYY-MM-DD HH:MM:SS is needed")
    # Digits beyond the microsecond are cut off: rounding could push a trip into the next week.
    micros = int((match[7] or "").ljust(6, "0")[:6])
    try:
        return datetime(*(int(match[part]) for part in range(1, 7)), micros)  # type: ignore[arg-type,call-arg]
    except ValueError:
        raise ValueError("there is no such day or time") from None


def _name(value: str) -> str:
    name = value.strip()
    if "\0" in name:
        raise ValueError("holds a NUL character")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError("holds half a character") from None
    if size > MAX_NAME_BYTES:
        raise ValueError(f"is longer than {MAX_NAME_BYTES} bytes")
    return name


def _not_empty(name: str) -> str:
    if not name:
        raise ValueError("is empty")
    return name


Point = Annotated[
    tuple[
        Annotated[float, Field(strict=True, allow_inf_nan=False)],
        Annotated[float, Field(strict=True, allow_inf_nan=False)],
    ],
    BeforeValidator(_point),
    AfterValidator(_in_range),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "prefixItems": [
                        {"type": "number", "minimum": -180, "maximum": 180},
                        {"type": "number", "minimum": -90, "maximum": 90},
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
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
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
Name = Annotated[str, Field(strict=True), AfterValidator(_name)]


class PostedTrip(BaseModel):
    """One trip of a posted list."""

    region: Annotated[
        Name, AfterValidator(_not_empty), Field(min_length=1, pattern=r"\S", examples=["Turin"])
    ]
    origin: Point
    destination: Point
    timestamp: Moment
    source: Annotated[Name, Field(examples=["funny_car"])]


class PostedTrips(BaseModel):
    """Trips in the request itself; all of them are taken in or none."""

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
    """What a client posted.

    Raises:
        ApiError: 400, and the message names the field that is wrong.
    """
    try:
        posted = _BODY.validate_json(body)
    except ValidationError as error:
        raise ApiError(400, _describe(error.errors(include_input=False, include_url=False))) from None
    if isinstance(posted, PostedTrips):
        for number, trip in enumerate(posted.data):
            if trip.timestamp.date() not in dates:
                raise ApiError(
                    400,
                    f"data.{number}.timestamp: outside the calendar, {dates.first} to before {dates.end}",
                )
    return posted


def _describe(errors: Sequence[Any]) -> str:
    for error in errors:
        # The tag of the union is no field of the body.
        if error["loc"] and error["loc"][0] in ("json", "mocked", "gcp"):
            error["loc"] = error["loc"][1:]
        if error["type"].startswith("union_tag"):
            error["loc"], error["msg"] = ("data_type",), "json, mocked or gcp is needed"
        elif not error["loc"]:
            error["loc"] = ("body",)
    return describe(errors)
