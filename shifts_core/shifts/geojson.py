"""Shifts as GeoJSON features, and as rows of CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field

from shifts_core.clustering.geojson import LineString, escape_formula
from shifts_core.time_filter import WEEKDAYS, Weekday


class ShiftProperties(BaseModel):
    """The properties of a shift's feature, and the columns of its CSV row."""

    shift_id: int = Field(description="Stays the same from week to week.", examples=[2776266860134401])
    region: str = Field(examples=["Turin"])
    week: str = Field(
        description="Last week of the history that it was made from, and its Monday.", examples=["2018-W22"]
    )
    monday: date = Field(examples=["2018-05-28"])
    rank: int = Field(
        description="The first shifts together serve the most trips of the history.", examples=[1]
    )
    weekdays: list[Weekday] = Field(description="Days on which it departs.", examples=[["mon", "tue"]])
    departs: str = Field(description="Typical departure.", examples=["08:05"])
    earliest: str = Field(description="Earliest start of a trip that it counts.", examples=["07:41:00"])
    latest: str = Field(description="Latest start of a trip that it counts.", examples=["08:29:00"])
    riders: float = Field(description="Riders expected on a departure.", examples=[11.2])
    riders_low: int = Field(description="10 % quantile of the riders on a departure.", examples=[7])
    riders_high: int = Field(description="90 % quantile of the riders on a departure.", examples=[16])
    regularity: float = Field(
        description="Share of its departures in the history with enough riders, 0 to 1.", examples=[0.95]
    )
    weeks: int = Field(description="Weeks of the history with such a departure.", examples=[4])
    first_week: str = Field(description="First week in which it ran.", examples=["2018-W18"])
    status: Literal["new", "continuing", "ending"] = Field(examples=["continuing"])
    trips: int = Field(description="Trips of the history that it and no better shift counts.", examples=[180])
    pickup_walk_m: float = Field(description="Mean distance to the pickup; metres.", examples=[210.5])
    pickup_walk_max_m: float = Field(description="Largest distance to the pickup; metres.", examples=[490.1])
    dropoff_walk_m: float = Field(description="Mean distance from the drop-off; metres.", examples=[180.2])
    dropoff_walk_max_m: float = Field(
        description="Largest distance from the drop-off; metres.", examples=[470.0]
    )
    pickup_stop: str | None = Field(
        description="The given stop at the pickup. null without a stop within the radius: the pickup is a point where"
        " a trip began.",
        examples=["Porta Susa"],
    )
    dropoff_stop: str | None = Field(
        description="The given stop at the drop-off; null as for the pickup.", examples=["Lingotto"]
    )


class Shift(BaseModel):
    """A shift as a GeoJSON feature: a line from its pickup to its drop-off."""

    type: Literal["Feature"] = "Feature"
    id: int = Field(examples=[2776266860134401])
    geometry: LineString
    properties: ShiftProperties


def to_feature(row: Mapping[str, Any]) -> Shift:
    """A row of the table of shifts, with its region and the coordinates of both places, as a feature."""
    times = {name: f"{row[name]:%H:%M:%S}" for name in ("earliest", "latest")}
    runs = [name for bit, name in enumerate(WEEKDAYS) if row["weekdays"] >> bit & 1]
    texts = {
        "week": f"{row['week']:%G-W%V}",
        "monday": row["week"],
        "first_week": f"{row['first_week']:%G-W%V}",
        "departs": f"{row['departs']:%H:%M}",
        "weekdays": runs,
    }
    return Shift(
        id=row["shift_id"],
        geometry=LineString(
            coordinates=[(row[f"{end}_x"], row[f"{end}_y"]) for end in ("pickup", "dropoff")]
        ),
        properties=ShiftProperties.model_validate({**row, **times, **texts}),
    )


def to_csv(shifts: Sequence[Shift]) -> str:
    """Shifts as CSV with a header: their properties, then the coordinates of both places."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = list(ShiftProperties.model_fields)
    writer.writerow([*names, "pickup_lon", "pickup_lat", "dropoff_lon", "dropoff_lat"])
    for shift in shifts:
        properties = shift.properties.model_dump(mode="json")
        properties["weekdays"] = ",".join(properties["weekdays"])
        pickup, dropoff = shift.geometry.coordinates
        writer.writerow([*(escape_formula(properties[name]) for name in names), *pickup, *dropoff])
    return text.getvalue()
