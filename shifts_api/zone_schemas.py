"""Zones as clients send and receive them, for the OpenAPI document."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shifts_api.web.pagination import NextCursor
from shifts_core.polygons import MAX_VERTICES
from shifts_core.zones import MAX_NAME_LENGTH

_RING = [[7.66, 45.06], [7.69, 45.06], [7.69, 45.08], [7.66, 45.06]]
Position = tuple[float, float]
Ring = Annotated[list[Position], Field(min_length=4)]
Rings = Annotated[list[Ring], Field(min_length=1)]


class Polygon(BaseModel):
    """A GeoJSON polygon in degrees: its outer ring, then its holes."""

    type: Literal["Polygon"]
    coordinates: Rings = Field(
        description=f"Longitude and latitude; at most {MAX_VERTICES:,} positions.", examples=[[_RING]]
    )


class MultiPolygon(BaseModel):
    """Several GeoJSON polygons that do not overlap."""

    type: Literal["MultiPolygon"]
    coordinates: list[Rings] = Field(min_length=1, examples=[[[_RING]]])


class ZoneProperties(BaseModel):
    """The properties of a zone's feature."""

    name: str = Field(examples=["Centro"])
    region: str | None = Field(examples=["Turin"], description="null if requests for any region may name it.")


class ZoneFeature(BaseModel):
    """A zone as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Polygon | MultiPolygon
    properties: ZoneProperties


class ZonePage(BaseModel):
    """A page of zones, in the order in which they were created, as a GeoJSON feature collection."""

    type: Literal["FeatureCollection"]
    features: list[ZoneFeature]
    next_cursor: NextCursor = Field(examples=["42"])


class NewZoneProperties(BaseModel):
    """Others are ignored."""

    name: str = Field(examples=["Centro"], min_length=1, max_length=MAX_NAME_LENGTH)
    region: str | None = Field(None, examples=["Turin"], min_length=1)


class NewZoneFeature(BaseModel):
    """A zone to be stored."""

    type: Literal["Feature"]
    geometry: Polygon | MultiPolygon
    properties: NewZoneProperties


class NewZones(BaseModel):
    """Zones to be stored."""

    type: Literal["FeatureCollection"]
    features: list[NewZoneFeature] = Field(min_length=1)


class PutZoneProperties(BaseModel):
    """What they state must not differ from the name and the region of the request; others are ignored."""

    name: str | None = Field(None, examples=["Centro"], min_length=1)
    region: str | None = Field(None, examples=["Turin"], min_length=1)


class PutZoneFeature(BaseModel):
    """A zone to be stored under the name in the path."""

    type: Literal["Feature"]
    geometry: Polygon | MultiPolygon
    properties: PutZoneProperties | None = None


class Stored(BaseModel):
    """The zones are committed."""

    message: str = Field(examples=["2 zones stored"])
    created: int = Field(examples=[1], description="Zones with a new name.")
    replaced: int = Field(examples=[1], description="Zones whose geometry took the place of an earlier one.")


class Deleted(BaseModel):
    """The zone is deleted."""

    message: str = Field(examples=["Zone Centro deleted"])
