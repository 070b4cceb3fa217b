"""Trips between zones: the query and its answer, as clients exchange them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from shifts_core.polygons import Area
from shifts_core.time_filter import ANY_TIME, TimeFilter, Weekday
from shifts_core.weekly_mean import Span, week_limits

MAX_ZONES = 500


class MatrixFilter(BaseModel):
    """The filter that was applied."""

    region: str = Field(examples=["Turin"])
    weekdays: list[Weekday] | None = Field(examples=[["mon", "tue"]])
    time: str | None = Field(examples=["06:00-09:30"])
    from_week: str | None = Field(examples=[None])
    to_week: str | None = Field(examples=[None])


class TripMatrix(BaseModel):
    """Trips from each zone to each zone; rows are origins, columns destinations, both in the order of `zones`."""

    zones: list[str] = Field(examples=[["Centro", "Lingotto"]])
    mean: list[list[float | None]] = Field(
        description="Per week with at least one such trip; null if there is none.",
        examples=[[[2.5, 1.0], [None, 4.0]]],
    )
    total_trips: list[list[int]] = Field(examples=[[[5, 1], [0, 4]]])
    filter: MatrixFilter
    as_of: datetime = Field(
        description="Time of the snapshot; trips committed later are not counted.",
        examples=["2026-11-23T21:00:00Z"],
    )


class MatrixQuery(NamedTuple):
    """Which zones, trips and weeks to count."""

    region: str
    names: tuple[str, ...]
    areas: tuple[Area, ...]
    """Of the zones, in the order of their names."""
    first_week: date | None = None
    last_week: date | None = None
    times: TimeFilter = ANY_TIME

    @property
    def needs_minutes(self) -> bool:
        """Whether the minutes of trips matter."""
        return self.times != ANY_TIME

    def limits(self, span: Span | None) -> tuple[date, date] | None:
        """First and last Monday to count in a region, from its first and last trip; None for no week."""
        return week_limits("active", span, self.first_week, self.last_week)


class MatrixCounts(NamedTuple):
    """Sums over weeks, of z zones; shape (z, z), origins in rows."""

    total: NDArray[np.int64]
    active_weeks: NDArray[np.int64]
    """Weeks with at least one such trip."""

    @classmethod
    def zeros(cls, zones: int) -> "MatrixCounts":
        """Of no week."""
        return cls(*np.zeros((2, zones, zones), np.int64))

    def add(self, weeks: NDArray[np.int64]) -> None:
        """Adds all trips of some weeks; shape (weeks, z, z)."""
        self.total[:] += weeks.sum(axis=0)
        self.active_weeks[:] += (weeks > 0).sum(axis=0)

    def mean(self) -> NDArray[np.float64]:
        """Per active week; NaN without one."""
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float64] = self.total / self.active_weeks
        return mean

    def answer(self, query: MatrixQuery, as_of: datetime) -> TripMatrix:
        """The answer."""
        mean = self.mean().astype(object)
        mean[self.total == 0] = None
        return TripMatrix(
            zones=list(query.names),
            mean=mean.tolist(),
            total_trips=self.total.tolist(),
            filter=MatrixFilter(
                region=query.region,
                weekdays=list(query.times.weekdays) if query.times.weekdays else None,
                time=str(query.times.window) if query.times.window else None,
                from_week=f"{query.first_week:%G-W%V}" if query.first_week else None,
                to_week=f"{query.last_week:%G-W%V}" if query.last_week else None,
            ),
            as_of=as_of,
        )

    def rows(self, names: Sequence[str]) -> list[tuple[str, str, float | None, int]]:
        """Origin, destination, mean and total of every pair of zones."""
        mean = self.mean()
        return [
            (origin, destination, float(mean[o, d]) if self.total[o, d] else None, int(self.total[o, d]))
            for o, origin in enumerate(names)
            for d, destination in enumerate(names)
        ]
