"""Zones: stored and returned without loss, by name and region, and refused with reason and place."""

import json
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.api.running import posted, trip

# Doubles that any rounding would change.
CORNERS = [[7.0 + 1 / 3, 45.1 + 0.2], [7.9000000000000004, 45.0], [7.8, 5e-324], [7.0 + 1 / 3, 45.1 + 0.2]]
POLYGON = {"type": "Polygon", "coordinates": [CORNERS]}
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[7.0, 45.0], [8.0, 45.0], [8.0, 46.0], [7.0, 46.0], [7.0, 45.0]]],
}
HOLE = [[7.4, 45.4], [7.4, 45.6], [7.6, 45.6], [7.4, 45.4]]
PARTS = {"type": "MultiPolygon", "coordinates": [[*SQUARE["coordinates"], HOLE]]}
BOW_TIE = {"type": "Polygon", "coordinates": [[[7, 45], [8, 46], [8, 45], [7, 46], [7, 45]]]}


@pytest.fixture(autouse=True)
def _no_zones(trips_db: psycopg.Connection, client: httpx.Client) -> None:
    trips_db.execute("DELETE FROM shifts_store.zones")
    trips = [trip(region=region) for region in ("Turin", "Milan")]
    assert client.post("/trips", json=posted(*trips)).status_code == 201


def put(client: httpx.Client, name: str, geometry: Any = SQUARE, **query: str) -> httpx.Response:
    return client.put(f"/zones/{name}", json=geometry, params=query)


def feature(name: str, geometry: Any = SQUARE, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": {"name": name, **properties}}


def collection(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def listed(client: httpx.Client, **query: str) -> list[tuple[str, str | None]]:
    answer = client.get("/zones", params=query)
    assert answer.status_code == 200, answer.text
    return [(f["properties"]["name"], f["properties"]["region"]) for f in answer.json()["features"]]


@pytest.mark.parametrize("geometry", [POLYGON, SQUARE, PARTS])
def test_a_zone_comes_back_as_it_was_stored(client: httpx.Client, geometry: dict[str, Any]) -> None:
    created = put(client, "Centro", geometry, region="Turin")
    stored = {"type": "Feature", "geometry": geometry, "properties": {"name": "Centro", "region": "Turin"}}
    assert (created.status_code, created.json()) == (201, stored)
    assert client.get("/zones/Centro").json() == stored
    assert client.get("/zones").json() == {**collection(stored), "next_cursor": None}
    assert put(client, "Centro", stored, region="Turin").status_code == 200


@pytest.mark.parametrize("name", ["Castro/Upper Market", "Città Studi", "a b?&=#%", "Nord, Ovest", "'; --"])
def test_any_visible_name_can_be_used(client: httpx.Client, name: str) -> None:
    path = f"/zones/{httpx.QueryParams({'': name}).__str__()[1:].replace('+', '%20')}"
    assert client.put(path, json=SQUARE).json()["properties"]["name"] == name
    assert client.get(path).json()["properties"]["name"] == name
    assert client.delete(path).json() == {"message": f"Zone {name} deleted"}
    assert client.get(path).status_code == 404


def test_a_collection_is_stored_as_a_whole(client: httpx.Client) -> None:
    assert put(client, "a", SQUARE, region="Turin").status_code == 201
    answer = client.post(
        "/zones", json=collection(feature("a", PARTS), feature("b")), params={"region": "Turin"}
    )
    assert answer.status_code == 201
    assert answer.json() == {"message": "2 zones stored", "created": 1, "replaced": 1}
    assert client.get("/zones/a").json()["geometry"] == PARTS
    refused = client.post("/zones", json=collection(feature("c"), feature("d", BOW_TIE)))
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "features.1.geometry: self-intersection at 7.5 45.5",
    )
    assert listed(client) == [("a", "Turin"), ("b", "Turin")]
    # What is listed can be stored again.
    assert client.post("/zones", json=client.get("/zones").json()).json()["replaced"] == 2


def test_regions_have_zones_of_the_same_name(client: httpx.Client) -> None:
    for region in ("Turin", "Milan"):
        assert put(client, "Centro", region=region).status_code == 201
    ambiguous = client.get("/zones/Centro")
    assert (ambiguous.status_code, ambiguous.json()["message"]) == (
        400,
        "region: is needed, because several regions have a zone Centro: Milan, Turin",
    )
    assert client.get("/zones/Centro", params={"region": "Milan"}).json()["properties"]["region"] == "Milan"
    assert put(client, "Centro").status_code == 201
    assert client.get("/zones/Centro").json()["properties"]["region"] is None
    assert client.delete("/zones/Centro", params={"region": "Turin"}).status_code == 200
    assert listed(client) == [("Centro", "Milan"), ("Centro", None)]


def test_a_region_lists_its_own_zones_and_those_of_no_region_with_other_names(client: httpx.Client) -> None:
    for name, region in (("a", "Turin"), ("b", "Milan"), ("a", ""), ("c", "")):
        put(client, name, **({"region": region} if region else {}))
    assert listed(client, region="Turin") == [("a", "Turin"), ("c", None)]
    assert listed(client, region="Milan") == [("b", "Milan"), ("a", None), ("c", None)]
    assert client.get("/zones", params={"region": "Nowhere"}).status_code == 404


def test_zones_are_paged(client: httpx.Client) -> None:
    client.post("/zones", json=collection(*(feature(str(n)) for n in range(5))))
    names, query = [], {"limit": "2"}
    while True:
        page = client.get("/zones", params=query).json()
        names += [each["properties"]["name"] for each in page["features"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert names == ["0", "1", "2", "3", "4"]


def test_a_zone_has_a_new_revision_when_its_geometry_changes(
    client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    revisions = []
    for geometry in (SQUARE, SQUARE, PARTS, SQUARE):
        put(client, "Centro", geometry)
        revisions += trips_db.execute("SELECT revision FROM shifts_store.zones").fetchall()
    assert revisions[0] == revisions[1]
    assert revisions[1] < revisions[2] < revisions[3]


def test_analysts_see_zones_as_multipolygons(client: httpx.Client, database_url: str) -> None:
    put(client, "Centro", POLYGON, region="Turin")
    with psycopg.connect(database_url, options="-c role=shifts_reader") as connection:
        (row,) = connection.execute(
            "SELECT name, region, GeometryType(geometry), ST_SRID(geometry), ST_AsGeoJSON(geometry, 17)"
            " FROM shifts.zones"
        ).fetchall()
    assert row[:4] == ("Centro", "Turin", "MULTIPOLYGON", 4326)
    assert json.loads(row[4])["coordinates"] == [POLYGON["coordinates"]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body: "),
        (b"{", "body: "),
        (b'{"type": "\\ud800"}', "body: "),
        (b"7", "type: Feature is needed"),
        (
            json.dumps(feature("Nord")).encode(),
            "properties.name: Nord differs from the name of the request, a",
        ),
        (json.dumps(BOW_TIE).encode(), "geometry: self-intersection at 7.5 45.5"),
        (
            json.dumps({"type": "Polygon", "coordinates": [[[7, 45], [181, 45], [8, 46], [7, 45]]]}).encode(),
            "geometry: longitudes within ±180 and latitudes within ±90 are needed, not 181.0 45.0",
        ),
        (
            json.dumps({"type": "Polygon", "coordinates": [[[0, 0]] * 10_001]}).encode(),
            "geometry: more than 10,000 vertices",
        ),
    ],
)
def test_an_invalid_zone_is_refused_with_reason_and_place(
    client: httpx.Client, body: bytes, message: str
) -> None:
    answer = client.put("/zones/a", content=body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(message)
    assert listed(client) == []


def test_an_unknown_zone_is_not_found(client: httpx.Client) -> None:
    for answer in (client.get("/zones/x"), client.delete("/zones/x"), client.get("/zones/x?region=Turin")):
        assert answer.status_code == 404
    assert client.put("/zones/all", json=SQUARE).status_code == 400
    assert client.post("/zones/x").headers["Allow"] == "GET, PUT, DELETE"
