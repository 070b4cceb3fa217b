"""Zones from GeoJSON features: names, regions, and where a feature is wrong."""

from typing import Any

import pytest

from shifts_core.zones import NewZone, parse_zone, parse_zones, to_feature

GEOMETRY = {"type": "Polygon", "coordinates": [[[7.0, 45.0], [8.0, 45.0], [8.0, 46.0], [7.0, 45.0]]]}
OPEN = {"type": "Polygon", "coordinates": [[[7.0, 45.0], [8.0, 45.0], [8.0, 46.0]]]}


def feature(geometry: Any = GEOMETRY, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def names(zones: list[NewZone]) -> list[tuple[str, str | None]]:
    return [(zone.name, zone.region) for zone in zones]


def test_a_feature_that_is_written_can_be_read_again() -> None:
    zone = parse_zone(feature(name="Centro", region="Turin", population=7))
    assert (zone.name, zone.region) == ("Centro", "Turin")
    assert parse_zone(to_feature(*zone)) == zone


def test_name_and_region_come_from_the_request_or_from_the_properties() -> None:
    assert parse_zone(GEOMETRY, "Centro", "Turin").region == "Turin"
    assert parse_zone({"type": "Feature", "geometry": GEOMETRY, "properties": None}, "Centro").region is None
    assert parse_zone(feature(name="Centro", region="Turin"), "Centro", "Turin").name == "Centro"
    same_name = collection(feature(name="a"), feature(name="a", region="Milan"))
    assert names(parse_zones(same_name)) == [("a", None), ("a", "Milan")]
    assert names(parse_zones(collection(feature(name="a")), "Turin")) == [("a", "Turin")]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "type: FeatureCollection is needed"),
        (feature(name="a"), "type: FeatureCollection is needed"),
        (collection(), "features: a list with at least one feature is needed"),
        (collection(7), "features.0.type: Feature is needed"),
        (collection(GEOMETRY), "features.0.type: Feature is needed"),
        (collection(feature()), "features.0.properties.name: is missing"),
        (
            collection({"type": "Feature", "geometry": GEOMETRY, "properties": False}),
            "features.0.properties: an object is needed",
        ),
        (collection(feature(name=7)), "features.0.properties.name: a text is needed"),
        (collection(feature(name="a", region="")), "features.0.properties.region: a text is needed"),
        (
            collection(feature(name="all")),
            "features.0.properties.name: 1 to 200 visible characters are needed, not all",
        ),
        (
            collection(feature(name="a\0")),
            "features.0.properties.name: 1 to 200 visible characters are needed, not all",
        ),
        (
            collection(feature(name="a"), feature(name="b"), feature(name="a")),
            "features.2.properties.name: a is the name of an earlier feature",
        ),
        (
            collection(feature(name="a", region="Milan")),
            "features.0.properties.region: Milan differs from the region of the request, Turin",
        ),
        (
            collection(feature(name="a"), feature(OPEN, name="b")),
            "features.1.geometry: coordinates.0: at least four positions are needed, the last one the same as"
            " the first",
        ),
        (collection(feature(None, name="a")), "features.0.geometry: a Polygon or MultiPolygon is needed"),
    ],
)
def test_a_wrong_collection_is_refused_with_the_place(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_zones(value, "Turin")
    assert str(refused.value) == reason
