"""Parameters that several calls share, from their text to values."""

import math
from datetime import date, time
from typing import Annotated, Any

from fastapi import Query

from shifts_api.web.errors import ApiError
from shifts_core.calendar import parse_week
from shifts_core.tiles.box import Box

TASK = r"^[A-Za-z0-9._-]{1,100}$"
"""What a task's or a run's id looks like."""

_WEEK_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": r"^\d{4}-W(0[1-9]|[1-4]\d|5[0-3])$"},
        {"type": "string", "format": "date"},
    ]
}
_WEEKS = ["2018-W22", "2018-05-28"]
WeekText = Annotated[
    str,
    Query(
        description="An ISO week, or the date of a day in it.",
        max_length=10,
        examples=_WEEKS,
        json_schema_extra=_WEEK_SCHEMA,
    ),
]
FromText = Annotated[
    str | None,
    Query(
        alias="from",
        description="The first week that counts, or a day in it.",
        max_length=10,
        examples=_WEEKS,
        json_schema_extra=_WEEK_SCHEMA,
    ),
]
ToText = Annotated[
    str | None,
    Query(
        description="The last week that counts, or a day in it.",
        max_length=10,
        examples=_WEEKS,
        json_schema_extra=_WEEK_SCHEMA,
    ),
]
TimeText = Annotated[
    str | None,
    Query(
        description="Only groups whose typical time lies in the time bin of this one (an hour unless set).",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        examples=["08:00"],
    ),
]
BoxText = Annotated[
    str | None,
    Query(
        description="west,south,east,north in degrees: only groups with both centroids in it, borders"
        " included; west > east means across the antimeridian.",
        examples=["7.6,45.0,7.72,45.1"],
        max_length=200,
    ),
]


def read_week(name: str, text: str) -> date:
    """The Monday of a week that a parameter names.

    Raises:
        ApiError: 400, it is no week, or there is none of that number.
    """
    try:
        return parse_week(text)
    except ValueError as error:
        raise ApiError(400, f"{name}: {error}") from None


def read_time(text: str) -> time:
    """A time of day like 08:00."""
    return time.fromisoformat(text)


def read_box(text: str) -> Box:
    """A box.

    Raises:
        ApiError: 400, it is none.
    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise ApiError(400, "bbox: four numbers west,south,east,north are needed") from None
    if not all(map(math.isfinite, (west, south, east, north))):
        raise ApiError(400, "bbox: finite numbers are needed")
    if not (abs(west) <= 180 and abs(east) <= 180 and -90 <= south <= north <= 90):
        raise ApiError(400, "bbox: longitudes within ±180 and latitudes within ±90, south below north")
    return Box(west, south, east, north)
