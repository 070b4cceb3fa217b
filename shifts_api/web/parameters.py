"""Parameters that several routes share, parsed from their text."""

import math
from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema

from shifts_api.web.errors import ApiError
from shifts_core.calendar import parse_week
from shifts_core.tiles.box import Box, Match

ID_PATTERN = r"^[A-Za-z0-9._-]{1,100}$"
"""Of task and run ids."""
TASK_ID = "9f3a6c1e4b7d4f0a8c2e5d7b9a1c3e5f"
RUN_ID = "0c5e3a52-6f0e-4a41-9d53-7a2f1c2f8f10"
"""Examples for the OpenAPI document."""

WEEK_EXAMPLES = ["2018-W22", "2018-05-28"]
Week = Annotated[
    date,
    BeforeValidator(parse_week),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d{4}-W(0[1-9]|[1-4]\d|5[0-3])$"},
                {"type": "string", "format": "date"},
            ],
            "examples": WEEK_EXAMPLES,
        }
    ),
]
"""An ISO week, or a date in it; the value is its Monday."""
MatchParameter = Annotated[Match, Query(description="Which ends must lie in the area.")]


def parse_box(text: str) -> Box:
    """The box of a `bbox` parameter, as in GeoJSON: west,south,east,north in degrees.

    Raises:
        ApiError: 400 if it is malformed or out of range.
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
