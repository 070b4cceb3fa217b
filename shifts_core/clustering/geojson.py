"""Clusters as GeoJSON features, and as rows of CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field


class LineString(BaseModel):
    """A line from where trips begin to where they end."""

    type: Literal["LineString"] = "LineString"
    coordinates: list[tuple[float, float]] = Field(
        min_length=2, max_length=2, examples=[[[7.6824, 45.0703], [7.6615, 45.0316]]]
    )


class ClusterProperties(BaseModel):
    """The properties of a cluster's feature, and the columns of its CSV row."""

    cluster_id: int = Field(examples=[2776266860134401])
    region: str = Field(examples=["Turin"])
    week: str = Field(examples=["2018-W22"])
    monday: date = Field(examples=["2018-05-28"])
    time_of_day: str = Field(description="Median start time of its trips.", examples=["08:05:30"])
    earliest: str = Field(
        description="First start in its time window, which may cross midnight.", examples=["07:41:02"]
    )
    latest: str = Field(description="Last start in its time window.", examples=["08:29:17"])
    trips: int = Field(examples=[12])
    radius_m: float = Field(
        description="Largest distance of a trip from the centroid, at either end; metres.", examples=[214.7]
    )
    share_of_bin: float | None = Field(
        description="Its share of the trips of its time bin; null where counts are withheld.", examples=[0.4]
    )


class Cluster(BaseModel):
    """A cluster of similar trips as a GeoJSON feature."""

    type: Literal["Feature"] = "Feature"
    id: int = Field(examples=[2776266860134401])
    geometry: LineString
    properties: ClusterProperties


def to_feature(row: Mapping[str, Any]) -> Cluster:
    """A row of a cluster's properties, with the coordinates of both centroids, as a feature."""
    ends = [(row[f"{end}_x"], row[f"{end}_y"]) for end in ("origin", "destination")]
    return Cluster(
        id=row["cluster_id"],
        geometry=LineString(coordinates=ends),
        properties=ClusterProperties.model_validate(row),
    )


def to_csv(clusters: Sequence[Cluster]) -> str:
    """Clusters as CSV with a header: their properties, then the coordinates of both centroids."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = list(ClusterProperties.model_fields)
    writer.writerow([*names, "origin_lon", "origin_lat", "destination_lon", "destination_lat"])
    for cluster in clusters:
        properties = cluster.properties.model_dump(mode="json")
        origin, destination = cluster.geometry.coordinates
        writer.writerow([*(escape_formula(properties[name]) for name in names), *origin, *destination])
    return text.getvalue()


def escape_formula(value: object) -> object:
    """Quotes text that a spreadsheet would evaluate as a formula, such as a region named `=1+1`."""
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value
