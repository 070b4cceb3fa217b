"""Groups of similar trips as clients get them: GeoJSON features and lines of CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import date, time
from typing import Literal

from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from shifts_api.web.timestamps import LocalTime

COLUMNS = """
    c.cluster_id, r.name AS region, c.week, c.typical_time, c.earliest_time, c.latest_time, c.trips,
    c.radius_m, c.share_of_bin, ST_X(c.origin) AS origin_x, ST_Y(c.origin) AS origin_y,
    ST_X(c.destination) AS destination_x, ST_Y(c.destination) AS destination_y
"""


class LineString(BaseModel):
    """From the origins' centroid to the destinations'."""

    type: Literal["LineString"] = "LineString"
    coordinates: list[tuple[float, float]] = Field(
        min_length=2, max_length=2, examples=[[[7.6824, 45.0703], [7.6615, 45.0316]]]
    )


class GroupProperties(BaseModel):
    """What is known of a group."""

    cluster_id: int = Field(examples=[2776266860134401])
    region: str = Field(examples=["Turin"])
    week: str = Field(examples=["2018-W22"])
    monday: date
    time_of_day: str = Field(description="Median time of its trips.", examples=["08:05:30"])
    earliest: str = Field(
        description="First trip in its window, which may cross midnight.", examples=["07:41:02"]
    )
    latest: str = Field(description="Last trip in its window.", examples=["08:29:17"])
    trips: int = Field(examples=[12])
    radius_m: float = Field(description="Farthest trip from its centroid, at either end; metres.")
    share_of_bin: float = Field(description="Its share of the trips of its time bin.")


class Group(BaseModel):
    """A group of similar trips, as a GeoJSON feature."""

    type: Literal["Feature"] = "Feature"
    id: int
    geometry: LineString
    properties: GroupProperties


class Groups(BaseModel):
    """A page of groups, largest first, as a GeoJSON feature collection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Group]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class GroupOfTrip(BaseModel):
    """The group that a trip is in."""

    trip_id: int
    cluster: Group | None = Field(description="null: no other trips are similar enough, or not grouped yet.")


class Trip(BaseModel):
    """A trip of a group."""

    trip_id: int
    region: str
    origin: tuple[float, float] = Field(description="Longitude and latitude.", examples=[[7.6824, 45.0703]])
    destination: tuple[float, float] = Field(examples=[[7.6615, 45.0316]])
    started_at: LocalTime = Field(description="Local wall clock.")
    source: str
    file_id: int


class Trips(BaseModel):
    """A page of a group's trips, by id."""

    trips: list[Trip]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


def to_group(row: RowMapping) -> Group:
    """A row of `COLUMNS` as a feature."""
    return Group(
        id=row["cluster_id"],
        geometry=LineString(
            coordinates=[(row["origin_x"], row["origin_y"]), (row["destination_x"], row["destination_y"])]
        ),
        properties=GroupProperties(
            cluster_id=row["cluster_id"],
            region=row["region"],
            week=f"{row['week']:%G-W%V}",
            monday=row["week"],
            time_of_day=_clock(row["typical_time"]),
            earliest=_clock(row["earliest_time"]),
            latest=_clock(row["latest_time"]),
            trips=row["trips"],
            radius_m=row["radius_m"],
            share_of_bin=row["share_of_bin"],
        ),
    )


def to_csv(groups: Sequence[Group]) -> str:
    """Groups as lines of CSV, a header first."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = list(GroupProperties.model_fields)
    writer.writerow([*names, "origin_lon", "origin_lat", "destination_lon", "destination_lat"])
    for group in groups:
        properties = group.properties.model_dump(mode="json")
        ends = group.geometry.coordinates
        writer.writerow([_harmless(properties[name]) for name in names] + [*ends[0], *ends[1]])
    return text.getvalue()


def _clock(moment: time) -> str:
    return moment.replace(microsecond=0).isoformat()


def _harmless(value: object) -> object:
    """Keeps a spreadsheet from running a region's name as a formula."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )
