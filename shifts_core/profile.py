"""Trips by weekday and hour: the answer, as clients receive it."""

from collections.abc import Mapping
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from shifts_core.time_filter import WEEKDAYS, Weekday
from shifts_core.weekly_statistics import Filter, WeeklyQuery

_HOURS = 24


class TripProfile(BaseModel):
    """Trips by weekday and hour of the day, by the local clock of their start."""

    weekdays: list[Weekday] = Field(description="The rows.", examples=[list(WEEKDAYS)])
    mean: list[list[float]] = Field(
        description="7 × 24: trips per week. Their sum is the mean of `/trips/weekly`.",
        examples=[[[1.5] * _HOURS] * 7],
    )
    total_trips: list[list[int]] = Field(description="7 × 24.", examples=[[[3] * _HOURS] * 7])
    num_weeks: int = Field(
        description="Weeks with at least one matching trip; the means divide by them.", examples=[2]
    )
    filter: Filter
    as_of: datetime = Field(
        description="Time of the snapshot; trips committed later are not counted.",
        examples=["2026-11-23T21:00:00Z"],
    )


def profile(query: WeeklyQuery, trips: Mapping[date, NDArray[np.int64]], as_of: datetime) -> TripProfile:
    """The answer.

    Args:
        query: by hour.
        trips: of each hour of the week, shape (168,), by Monday, without weeks that have none.
        as_of: time of the snapshot.
    """
    total = sum(trips.values(), np.zeros(len(WEEKDAYS) * _HOURS, np.int64)).reshape(len(WEEKDAYS), _HOURS)
    return TripProfile(
        weekdays=list(WEEKDAYS),
        mean=(total / max(len(trips), 1)).tolist(),
        total_trips=total.tolist(),
        num_weeks=len(trips),
        filter=query.filter(),
        as_of=as_of,
    )
