"""Times of trips in answers: the local wall clock, without a time zone."""

from datetime import datetime
from typing import Annotated

from pydantic import WithJsonSchema

LocalTime = Annotated[
    datetime,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?$",
            "examples": ["2018-05-28T09:03:40"],
        }
    ),
]
