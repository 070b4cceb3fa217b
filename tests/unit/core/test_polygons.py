"""Polygons from WKT and GeoJSON: what is accepted without loss, and what is refused with its reason and place."""

import json
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from shifts_core.polygons import MAX_VERTICES, parse_geojson_area, parse_wkt_area, to_geojson

TRIANGLE = [[7.0, 45.0], [8.0, 45.0], [8.0, 46.0], [7.0, 45.0]]
HOLE = [[7.5, 45.1], [7.9, 45.1], [7.9, 45.4], [7.5, 45.1]]
BOW_TIE = [[7.0, 45.0], [8.0, 46.0], [8.0, 45.0], [7.0, 46.0], [7.0, 45.0]]
longitudes = st.floats(-180, 180, allow_subnormal=False)
latitudes = st.floats(-90, 90, allow_subnormal=False)


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


@pytest.mark.parametrize(
    "geometry",
    [
        polygon(TRIANGLE),
        polygon(TRIANGLE, HOLE),
        polygon(TRIANGLE[::-1]),
        {"type": "MultiPolygon", "coordinates": [[TRIANGLE, HOLE]]},
        {"type": "MultiPolygon", "coordinates": [[TRIANGLE], [[[x + 5, y] for x, y in TRIANGLE]]]},
        polygon([[-180, -90], [180, -90], [180, 90], [-180, -90]]),
    ],
)
def test_a_valid_geometry_is_returned_as_it_was_given(geometry: dict[str, Any]) -> None:
    assert json.loads(json.dumps(to_geojson(parse_geojson_area(geometry)))) == geometry


@given(st.lists(st.tuples(longitudes, latitudes), min_size=3, max_size=3))
def test_coordinates_keep_every_bit(corners: list[tuple[float, float]]) -> None:
    ring = [*corners, corners[0]]
    try:
        area = parse_geojson_area(polygon(ring))
    except ValueError:
        assert not shapely.Polygon(ring).is_valid
        return
    stored = shapely.from_wkb(shapely.to_wkb(area))
    assert repr(list(stored.exterior.coords)) == repr(ring)
    assert parse_geojson_area(json.loads(json.dumps(to_geojson(stored)))) == area


def test_wkt_and_geojson_describe_the_same_area() -> None:
    text = "MULTIPOLYGON (((7 45, 8 45, 8 46, 7 45), (7.5 45.1, 7.9 45.1, 7.9 45.4, 7.5 45.1)))"
    assert parse_wkt_area(text) == parse_geojson_area(
        {"type": "MultiPolygon", "coordinates": [[TRIANGLE, HOLE]]}
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not WKT: Expected word but encountered end of stream"),
        ("hello", "not WKT: Unknown type: 'HELLO'"),
        ("POLYGON((7 45,8 45,8 46))", "not WKT: Points of LinearRing do not form a closed linestring"),
        ("SRID=4326;POLYGON((7 45,8 45,8 46,7 45))", "not WKT: Unknown type: 'SRID=4326;POLYGON'"),
        ("POINT(7 45)", "a Polygon or MultiPolygon is needed"),
        ("CURVEPOLYGON((7 45,8 45,8 46,7 45))", "a Polygon or MultiPolygon is needed"),
        ("POLYGON EMPTY", "empty, or with an empty part"),
        ("MULTIPOLYGON(EMPTY,((7 45,8 45,8 46,7 45)))", "empty, or with an empty part"),
        ("POLYGON((7 45,8 45,8 46,7 45),EMPTY)", "empty, or with an empty part"),
        ("POLYGON Z((7 45 1,8 45 1,8 46 1,7 45 1))", "points of longitude and latitude only are needed"),
        ("POLYGON((7 45,8 46,8 45,7 46,7 45))", "self-intersection at 7.5 45.5"),
        ("POLYGON((0 0,4 0,4 4,0 4,0 0),(5 5,6 5,6 6,5 5))", "hole lies outside shell at 5 5"),
        (
            "POLYGON((7 45,8 45,8 1e400,7 45))",
            "longitudes within ±180 and latitudes within ±90 are needed, not 8.0 inf",
        ),
        (
            "POLYGON((7 45,181 45,8 46,7 45))",
            "longitudes within ±180 and latitudes within ±90 are needed, not 181.0 45.0",
        ),
    ],
)
def test_an_invalid_wkt_is_refused_with_its_reason_and_place(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_wkt_area(text)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        (None, "a Polygon or MultiPolygon is needed"),
        ({"type": "Point", "coordinates": [7, 45]}, "a Polygon or MultiPolygon is needed"),
        ({"type": ["Polygon"]}, "a Polygon or MultiPolygon is needed"),
        ({"type": "Polygon"}, "coordinates: a list with at least one entry is needed"),
        (polygon(), "coordinates: a list with at least one entry is needed"),
        (polygon([]), "coordinates.0: a list with at least one entry is needed"),
        (polygon(TRIANGLE, 7), "coordinates.1: a list with at least one entry is needed"),
        (
            polygon(TRIANGLE[:3]),
            "coordinates.0: at least four positions are needed, the last one the same as the first",
        ),
        (polygon([[7, 45, 1], *TRIANGLE]), "coordinates.0.0: [longitude, latitude] is needed"),
        (polygon([[7, True], *TRIANGLE]), "coordinates.0.0: [longitude, latitude] is needed"),
        (polygon([[7, "45"], *TRIANGLE]), "coordinates.0.0: [longitude, latitude] is needed"),
        (
            {"type": "MultiPolygon", "coordinates": [[TRIANGLE], [[7]]]},
            "coordinates.1.0.0: [longitude, latitude] is needed",
        ),
        (polygon([[10**400, 1], [1, 1], [2, 1], [10**400, 1]]), "coordinates.0: finite numbers are needed"),
        (polygon(BOW_TIE), "self-intersection at 7.5 45.5"),
        (polygon([[7, 45]] * (MAX_VERTICES + 1)), "more than 10,000 vertices"),
        (
            polygon([[0, 0], [float("nan"), 0], [1, 1], [0, 0]]),
            "coordinates.0: finite numbers are needed",
        ),
    ],
)
def test_an_invalid_geometry_is_refused_with_its_reason_and_place(geometry: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_geojson_area(geometry)
    assert str(refused.value) == reason


def test_ten_thousand_vertices_are_accepted_and_one_more_is_not() -> None:
    steps = [[7 + n / MAX_VERTICES, 45.0 + n % 2 / 1000] for n in range(MAX_VERTICES - 3)]
    ring = [[7.0, 44.0], *steps, [8.0, 44.0]]
    assert len(shapely.get_coordinates(parse_geojson_area(polygon([*ring, ring[0]])))) == MAX_VERTICES
    longer = shapely.Polygon([*ring, [7.5, 43.0]])
    with pytest.raises(ValueError, match="10,001 vertices, more than 10,000"):
        parse_wkt_area(shapely.to_wkt(longer, rounding_precision=-1))
