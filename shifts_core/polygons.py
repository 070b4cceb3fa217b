"""Polygons that planners give, in degrees: read from WKT or GeoJSON, checked, and written as GeoJSON."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import shapely

Area: TypeAlias = shapely.Polygon | shapely.MultiPolygon

MAX_VERTICES = 10_000
"""Of all rings of a polygon or multipolygon, with the repeated last point of each, as `ST_NPoints` counts."""
_DEGREES = np.array([180.0, 90.0])
_INVALID_AT = re.compile(r"(.+)\[(\S+) (\S+)\]")
"""GEOS' reason and place, such as `Self-intersection[7.6 45.1]`."""
_TYPES = "a Polygon or MultiPolygon is needed"


def parse_wkt_area(text: str) -> Area:
    """The valid polygon or multipolygon that a WKT text describes, longitude first.

    Raises:
        ValueError: the reason, and the place if there is one.
    """
    try:
        with np.errstate(over="ignore"):
            geometry = shapely.from_wkt(text)
    except shapely.GEOSException as error:
        reason = str(error).partition("Exception: ")
        raise ValueError(f"not WKT: {reason[2] or reason[0]}") from None
    except NotImplementedError:  # curves
        raise ValueError(_TYPES) from None
    return check_area(geometry)


def parse_geojson_area(value: Any) -> Area:
    """The valid polygon or multipolygon that a GeoJSON geometry (RFC 7946) describes.

    Raises:
        ValueError: the reason, and the place if there is one.
    """
    if not isinstance(value, Mapping) or value.get("type") not in ("Polygon", "MultiPolygon"):
        raise ValueError(_TYPES)
    coordinates = value.get("coordinates")
    budget = [MAX_VERTICES]
    if value["type"] == "Polygon":
        return check_area(_to_polygon(coordinates, "coordinates", budget))
    parts = _to_list(coordinates, "coordinates")
    polygons = [_to_polygon(part, f"coordinates.{number}", budget) for number, part in enumerate(parts)]
    return check_area(shapely.MultiPolygon(polygons))


def check_area(geometry: shapely.Geometry) -> Area:
    """Returns the geometry if it is a valid, not empty, two-dimensional polygon or multipolygon of bounded size.

    Raises:
        ValueError: the reason, and the place if there is one.
    """
    if not isinstance(geometry, (shapely.Polygon, shapely.MultiPolygon)):
        raise ValueError(_TYPES)
    parts, rings = shapely.get_parts(geometry), shapely.get_rings(geometry)
    if geometry.is_empty or shapely.is_empty(parts).any() or shapely.is_empty(rings).any():
        raise ValueError("empty, or with an empty part")
    if geometry.has_z or geometry.has_m:
        raise ValueError("points of longitude and latitude only are needed")
    points = shapely.get_coordinates(geometry)
    if len(points) > MAX_VERTICES:
        raise ValueError(f"{len(points):,} vertices, more than {MAX_VERTICES:,}")
    # Written so that NaN is outside.
    outside = ~(np.abs(points) <= _DEGREES).all(axis=1)
    if outside.any():
        longitude, latitude = points[outside.argmax()].tolist()
        raise ValueError(
            f"longitudes within ±180 and latitudes within ±90 are needed, not {longitude} {latitude}"
        )
    if not geometry.is_valid:
        reason = shapely.is_valid_reason(geometry)
        place = _INVALID_AT.fullmatch(reason)
        raise ValueError(f"{place[1].lower()} at {place[2]} {place[3]}" if place else reason.lower())
    return geometry


def to_geojson(area: Area) -> dict[str, Any]:
    """The geometry as GeoJSON, with the same float64 coordinates."""
    geometry: dict[str, Any] = shapely.geometry.mapping(area)
    return geometry


def _to_polygon(value: Any, place: str, budget: list[int]) -> shapely.Polygon:
    rings = [
        _to_ring(ring, f"{place}.{number}", budget) for number, ring in enumerate(_to_list(value, place))
    ]
    return shapely.Polygon(rings[0], rings[1:])


def _to_ring(value: Any, place: str, budget: list[int]) -> np.ndarray[Any, Any]:
    """The points of a ring; `budget` holds how many the rings after it may have."""
    positions = _to_list(value, place)
    budget[0] -= len(positions)
    if budget[0] < 0:
        raise ValueError(f"more than {MAX_VERTICES:,} vertices")
    for number, position in enumerate(positions):
        # True is an integer in Python.
        if not (
            isinstance(position, (list, tuple))
            and len(position) == 2
            and all(type(n) in (int, float) for n in position)
        ):
            raise ValueError(f"{place}.{number}: [longitude, latitude] is needed")
    if len(positions) < 4 or positions[0] != positions[-1]:
        raise ValueError(f"{place}: at least four positions are needed, the last one the same as the first")
    try:
        points = np.array(positions, dtype=np.float64)
    except OverflowError:
        points = np.array([np.inf])
    if not np.isfinite(points).all():
        raise ValueError(f"{place}: finite numbers are needed")
    return points


def _to_list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(f"{place}: a list with at least one entry is needed")
    return list(value)
