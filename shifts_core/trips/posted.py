"""Trips as JSON: the models of a posted list, by the rules of a trip row."""

import re
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema

from shifts_core.trips.rules import (
    MAX_LATITUDE,
    MAX_LONGITUDE,
    NUMBER,
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
