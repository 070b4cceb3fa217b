"""Weekly statistics of trips in an area: the query and its answer, as clients exchange them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from shifts_core.polygons import Area, to_geojson
from shifts_core.tiles.box import Box, Match
from shifts_core.time_filter import ANY_TIME, TimeFilter, Weekday
from shifts_core.weekly_mean import Span, Weeks, divisor, week_limits


class WeekTrips(BaseModel):
    """Trips of one week."""

    week: str = Field(examples=["2018-W22"])
    monday: date = Field(examples=["2018-05-28"])
    trips: int = Field(examples=[15])


class Filter(BaseModel):
    """The filter that was applied."""

    region: str = Field(examples=["Turin"])
    bbox: Box | None = Field(examples=[{"west": 7.6, "south": 45.0, "east": 7.72, "north": 45.1}])
    geometry: dict[str, Any] | None = Field(
        description="The polygon or multipolygon as GeoJSON; null if a box or a zone was given.",
        examples=[None],
    )
    zone: str | None = Field(description="Name of the zone.", examples=[None])
    match: Match = Field(examples=["both"])
    weekdays: list[Weekday] | None = Field(
        description="Weekdays on which trips start; null for all.", examples=[["mon", "tue"]]
    )
    time: str | None = Field(
        description="Window in which trips start, half-open, by the local clock; null for the whole day.",
        examples=["06:00-09:30"],
    )
    weeks: Weeks = Field(examples=["active"])
    from_week: str | None = Field(examples=[None])
    to_week: str | None = Field(examples=[None])


class WeeklyStatistics(BaseModel):
    """Trips per week in an area, with the filter that was applied."""

    mean: float | None = Field(examples=[15.0])
    num_weeks: int = Field(description="Weeks that the mean divides by.", examples=[1])
    total_trips: int = Field(examples=[15])
    series: list[WeekTrips]
    filter: Filter
    as_of: datetime = Field(
        description="Time of the snapshot; trips committed later are not counted.",
        examples=["2026-11-23T21:00:00Z"],
    )


class WeeklyQuery(NamedTuple):
    """Which trips and weeks to count."""

    region: str
    box: Box | None
    """None if `polygon` is the area."""
    match: Match = "both"
    weeks: Weeks = "active"
    first_week: date | None = None
    """The first Monday; None for the region's first."""
    last_week: date | None = None
    """The last Monday; None for the region's last."""
    times: TimeFilter = ANY_TIME
    """When trips start."""
    polygon: Area | None = None
    zone: str | None = None
    """The name that the polygon is stored under."""
    by_hour: bool = False
    """Whether each hour of the week is counted by itself."""

    @property
    def needs_minutes(self) -> bool:
        """Whether the minutes of trips matter."""
        return self.by_hour or self.times != ANY_TIME

    def limits(self, span: Span | None) -> tuple[date, date] | None:
        """First and last Monday to count in a region, from its first and last trip; None for no week."""
        return week_limits(self.weeks, span, self.first_week, self.last_week)

    def statistics(self, trips: Mapping[date, int], span: Span | None, as_of: datetime) -> WeeklyStatistics:
        """The answer.

        Args:
            trips: matching trips by Monday, without weeks that have none.
            span: the region's first and last trip.
            as_of: time of the snapshot.
        """
        total, num_weeks = sum(trips.values()), divisor(self.weeks, trips, self.limits(span))
        return WeeklyStatistics(
            mean=total / num_weeks if total else None,
            num_weeks=num_weeks,
            total_trips=total,
            series=[WeekTrips(week=f"{w:%G-W%V}", monday=w, trips=n) for w, n in trips.items()],
            filter=self.filter(),
            as_of=as_of,
        )

    def filter(self) -> Filter:
        """The filter, as answers repeat it."""
        return Filter(
            region=self.region,
            bbox=self.box,
            geometry=to_geojson(self.polygon) if self.polygon is not None and self.zone is None else None,
            zone=self.zone,
            match=self.match,
            weekdays=list(self.times.weekdays) if self.times.weekdays else None,
            time=str(self.times.window) if self.times.window else None,
            weeks=self.weeks,
            from_week=f"{self.first_week:%G-W%V}" if self.first_week else None,
            to_week=f"{self.last_week:%G-W%V}" if self.last_week else None,
        )
