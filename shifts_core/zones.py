"""Zones as GeoJSON: features that are read from clients and from files, and written for clients."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from shifts_core.polygons import Area, parse_geojson_area, to_geojson

MAX_NAME_LENGTH = 200
ALL = "all"
"""Stands for every zone where zones are listed, so no zone has this name."""
NAME_PATTERN = r"^[^\x00-\x1f\x7f]+$"


class NewZone(NamedTuple):
    """A zone to be stored."""

    name: str
    region: str | None
    """None if requests for any region may name it."""
    area: Area


def parse_zone(value: Any, name: str | None = None, region: str | None = None) -> NewZone:
    """The zone that a GeoJSON feature describes by its geometry and its properties `name` and `region`.

    Args:
        value: the feature, parsed from JSON. With a name it may be the geometry alone.
        name: of the zone; None for the one in the properties, which must not differ.
        region: of the zone; None for the one in the properties, which must not differ.

    Raises:
        ValueError: the reason, and the place if there is one.
    """
    if not isinstance(value, Mapping):
        raise ValueError("type: Feature is needed")
    if value.get("type") != "Feature":
        if name is None:
            raise ValueError("type: Feature is needed")
        value = {"geometry": value, "properties": {}}
    properties = {} if value.get("properties") is None else value["properties"]
    if not isinstance(properties, Mapping):
        raise ValueError("properties: an object is needed")
    name = _property(properties, "name", name)
    if name is None:
        raise ValueError("properties.name: is missing")
    if not re.match(NAME_PATTERN, name) or len(name) > MAX_NAME_LENGTH or name == ALL:
        raise ValueError(f"properties.name: 1 to {MAX_NAME_LENGTH} visible characters are needed, not {ALL}")
    region = _property(properties, "region", region)
    try:
        area = parse_geojson_area(value.get("geometry"))
    except ValueError as error:
        raise ValueError(f"geometry: {error}") from None
    return NewZone(name, region, area)


def parse_zones(value: Any, region: str | None = None) -> list[NewZone]:
    """The zones of a GeoJSON feature collection, at least one.

    Args:
        value: the collection, parsed from JSON.
        region: of all zones; None for those in the properties of the features.

    Raises:
        ValueError: the reason, and the place if there is one.
    """
    if not isinstance(value, Mapping) or value.get("type") != "FeatureCollection":
        raise ValueError("type: FeatureCollection is needed")
    features = value.get("features")
    if not isinstance(features, list) or not features:
        raise ValueError("features: a list with at least one feature is needed")
    zones: dict[tuple[str, str | None], NewZone] = {}
    for number, feature in enumerate(features):
        try:
            zone = parse_zone(feature, region=region)
            if zones.setdefault((zone.name, zone.region), zone) is not zone:
                raise ValueError(f"properties.name: {zone.name} is the name of an earlier feature")
        except ValueError as error:
            raise ValueError(f"features.{number}.{error}") from None
    return list(zones.values())


def to_feature(name: str, region: str | None, area: Area) -> dict[str, Any]:
    """A zone as a GeoJSON feature."""
    return {"type": "Feature", "geometry": to_geojson(area), "properties": {"name": name, "region": region}}


def _property(properties: Mapping[str, Any], key: str, given: str | None) -> str | None:
    found = properties.get(key)
    if found is None:
        return given
    if not isinstance(found, str) or not found:
        raise ValueError(f"properties.{key}: a text is needed")
    if given is not None and found != given:
        raise ValueError(f"properties.{key}: {found} differs from the {key} of the request, {given}")
    return found
