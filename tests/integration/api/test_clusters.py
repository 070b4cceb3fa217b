"""Clusters as clients receive them: GeoJSON and CSV, filters, pages, and the links between trips and clusters."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, running
from tests.integration.pipeline.harness import HEADER, row

WEEK = {"region": "Turin", "week": "2018-W22"}
# Of each cluster: offset of its latitude, hour and number of trips; two have the same size.
CLUSTERS = [(0.00, 7, 9), (0.02, 8, 6), (0.04, 8, 6), (0.06, 8, 8), (0.08, 17, 5)]


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with clusters from the pipeline, a noise trip, and a region whose name looks like a formula."""
    folder = tmp_path_factory.mktemp("clusters")
    landing: Path = folder / "landing"
    landing.mkdir()
    rows = [
        row(
            moment=f"2018-05-29 {hour:02}:{20 + number}:00",
            origin=(7.67 + number * 1e-4, 45.01 + north),
            destination=(7.72, 45.06 + north),
        )
        for north, hour, trips in CLUSTERS
        for number in range(trips)
    ]
    rows.append(row(moment="2018-05-30 12:00:00", origin=(7.5, 44.9)))
    rows += [row(region="=1+1", moment=f"2018-05-29 08:0{number}:00") for number in range(6)]
    with running(Service(database_url, dagster_database_url, landing, folder / "api.log")) as found:
        with pipeline_of(found) as pipeline:
            pipeline.put("clusters.csv", HEADER + "".join(rows))
            pipeline.load()
            pipeline.refresh()
        north = {"type": "Polygon", "coordinates": [[[7, 45.05], [8, 45.05], [8, 46], [7, 46], [7, 45.05]]]}
        assert httpx.put(f"{found.api}/zones/north?region=Turin", json=north).status_code == 201
        yield found


def _clusters(client: httpx.Client, **more: Any) -> list[dict[str, Any]]:
    answer = client.get("/clusters", params={**WEEK, **more})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["features"]
    return found


def _sizes(clusters: list[dict[str, Any]]) -> list[int]:
    return [cluster["properties"]["trips"] for cluster in clusters]


def test_a_cluster_is_a_line_between_centroids_with_properties(client: httpx.Client) -> None:
    body = client.get("/clusters", params={**WEEK, "limit": 1}).json()
    assert (body["type"], list(body)) == ("FeatureCollection", ["type", "features", "next_cursor"])
    (cluster,) = body["features"]
    (x0, y0), (x1, y1) = cluster["geometry"]["coordinates"]
    assert cluster["geometry"]["type"] == "LineString"
    assert [x0, y0, x1, y1] == pytest.approx([7.6704, 45.01, 7.72, 45.06], abs=1e-6)
    radius = cluster["properties"].pop("radius_m")
    assert 0 < radius < 500
    assert cluster["type"] == "Feature"
    assert cluster["properties"] == {
        "cluster_id": cluster["id"],
        "region": "Turin",
        "week": "2018-W22",
        "monday": "2018-05-28",
        "time_of_day": "07:24:00",
        "earliest": "07:20:00",
        "latest": "07:28:00",
        "trips": 9,
        "share_of_bin": 1.0,
    }


def test_clusters_are_ordered_by_size_then_id(client: httpx.Client) -> None:
    clusters = _clusters(client)
    assert _sizes(clusters) == [9, 8, 6, 6, 5]
    assert clusters == sorted(clusters, key=lambda cluster: (-cluster["properties"]["trips"], cluster["id"]))
    assert _clusters(client, week="2018-05-31") == clusters


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_pages_contain_every_cluster_once_in_that_order(client: httpx.Client, limit: int) -> None:
    pages, cursor = [], None
    while True:
        body = client.get(
            "/clusters", params={**WEEK, "limit": limit, **({"cursor": cursor} if cursor else {})}
        )
        pages.append(body.json()["features"])
        cursor = body.json()["next_cursor"]
        if cursor is None:
            break
    assert [cluster for page in pages for cluster in page] == _clusters(client)
    assert all(len(page) == limit for page in pages[:-1])
    assert 0 < len(pages[-1]) <= limit


@pytest.mark.parametrize(
    ("more", "sizes"),
    [
        ({"time": "08:00"}, [8, 6, 6]),
        ({"time": "08:59"}, [8, 6, 6]),
        ({"time": "07:30"}, [9]),
        ({"time": "03:00"}, []),
        ({"min_trips": 7}, [9, 8]),
        ({"min_trips": 6, "time": "08:00"}, [8, 6, 6]),
        ({"bbox": "7,45.05,8,46"}, [8, 6, 5]),
        ({"bbox": "7,45.05,8,46", "time": "17:00"}, [5]),
        ({"bbox": "7.68,45,8,46"}, []),
        ({"bbox": "170,-90,-170,90"}, []),
        ({"bbox": "-180,-90,180,90"}, [9, 8, 6, 6, 5]),
        ({"week": "2018-W21"}, []),
        ({"time": "07:00-08:00"}, [9]),
        ({"time": "07:24-08:00"}, [9]),
        ({"time": "06:00-07:24"}, []),
        ({"time": "17:00-08:00"}, [9, 5]),
        ({"time": "00:00-24:00"}, [9, 8, 6, 6, 5]),
        ({"polygon": "POLYGON((7 45.05, 8 45.05, 8 46, 7 46, 7 45.05))"}, [8, 6, 5]),
        ({"polygon": "POLYGON((7 45.05, 7.7 45.05, 7.7 46, 7 46, 7 45.05))"}, []),
        ({"zone": "north", "time": "17:00-18:00"}, [5]),
        ({"zone": "north"}, [8, 6, 5]),
    ],
)
def test_filters_can_be_combined(client: httpx.Client, more: dict[str, Any], sizes: list[int]) -> None:
    assert _sizes(_clusters(client, **more)) == sizes


@pytest.mark.parametrize(
    ("accept", "more", "kind"),
    [
        ("text/csv", {}, "text/csv"),
        ("text/csv, */*;q=0.1", {}, "text/csv"),
        ("*/*", {"format": "csv"}, "text/csv"),
        ("*/*", {}, "application/json"),
        ("application/geo+json", {}, "application/json"),
        ("application/json, text/csv", {}, "application/json"),
        ("text/csv", {"format": "geojson"}, "application/json"),
    ],
)
def test_the_accept_header_and_format_select_csv_or_geojson(
    client: httpx.Client, accept: str, more: dict[str, str], kind: str
) -> None:
    answer = client.get("/clusters", params={**WEEK, **more}, headers={"Accept": accept})
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    assert answer.headers["Vary"] == "Accept"


def test_csv_equals_geojson_and_links_the_next_page(client: httpx.Client) -> None:
    answer = client.get("/clusters", params={**WEEK, "format": "csv", "limit": 3})
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    clusters = _clusters(client)
    for line, cluster in zip(lines, clusters[:3], strict=True):
        ends = [float(line[f"{end}_{axis}"]) for end in ("origin", "destination") for axis in ("lon", "lat")]
        assert ends == [x for point in cluster["geometry"]["coordinates"] for x in point]
        assert {name: str(value) for name, value in cluster["properties"].items()}.items() <= line.items()
    address = answer.links["next"]["url"]
    rest = client.get(str(httpx.URL(client.base_url).join(address)))
    assert len(rest.text.splitlines()) == 1 + 2
    assert "next" not in rest.links


def test_csv_escapes_a_name_that_looks_like_a_formula(client: httpx.Client) -> None:
    answer = client.get("/clusters", params={**WEEK, "region": "=1+1", "format": "csv"})
    assert [line["region"] for line in csv.DictReader(io.StringIO(answer.text))] == ["'=1+1"]


def test_a_cluster_its_paged_trips_and_their_cluster_agree(client: httpx.Client) -> None:
    for cluster in _clusters(client):
        assert client.get(f"/clusters/{cluster['id']}").json() == cluster
        ids: list[int] = []
        address: str | None = f"/clusters/{cluster['id']}/trips?limit=4"
        while address:
            answer = client.get(address)
            ids += [trip["trip_id"] for trip in answer.json()["trips"]]
            address = answer.links["next"]["url"].removeprefix("/api/v1") if "next" in answer.links else None
        assert len(set(ids)) == cluster["properties"]["trips"]
        assert ids == sorted(ids)
        for trip_id in ids:
            assert client.get(f"/trips/{trip_id}/cluster").json() == {"trip_id": trip_id, "cluster": cluster}


def test_a_trip_of_a_cluster_has_its_places_and_time(client: httpx.Client) -> None:
    largest = _clusters(client)[0]
    trip = client.get(f"/clusters/{largest['id']}/trips", params={"limit": 1}).json()["trips"][0]
    (file,) = client.get("/files").json()["files"]
    assert isinstance(trip.pop("trip_id"), int)
    assert trip == {
        "region": "Turin",
        "origin": [7.67, 45.01],
        "destination": [7.72, 45.06],
        "started_at": "2018-05-29T07:20:00",
        "source": "baba_car",
        "file_id": file["file_id"],
    }


def test_a_noise_trip_has_no_cluster(client: httpx.Client, database_url: str) -> None:

    with psycopg.connect(database_url) as owner:
        row_ = owner.execute(
            "SELECT trip_id FROM shifts.trips WHERE started_at = '2018-05-30 12:00'"
        ).fetchone()
    assert row_ is not None
    assert client.get(f"/trips/{row_[0]}/cluster").json() == {"trip_id": row_[0], "cluster": None}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/clusters?region=Turin&week=2018-W22&zone=south", "Zone south not found in region Turin"),
        ("/clusters?region=Nowhere&week=2018-W22", "Region Nowhere not found"),
        ("/clusters/7", "Cluster 7 not found"),
        ("/clusters/7/trips", "Cluster 7 not found"),
        ("/trips/7/cluster", "Trip 7 not found"),
        ("/files/99", "File 99 not found"),
        ("/files/99/rejects", "File 99 not found"),
    ],
)
def test_unknown_regions_clusters_and_trips_are_not_found(
    client: httpx.Client, path: str, message: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"message": message})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/clusters?week=2018-W22", "region: is missing"),
        (
            "/clusters?region=Turin&week=2018-W22&time=08:00-25:00",
            "time: a time of day like 08:00 or a window like 06:00-09:30 is needed",
        ),
        (
            "/clusters?region=Turin&week=2018-W22&time=08:00-08:00",
            "time: start and end are equal; 00:00-24:00 is the whole day",
        ),
        (
            "/clusters?region=Turin&week=2018-W22&polygon=POINT(1 2)",
            "polygon: a Polygon or MultiPolygon is needed",
        ),
        (
            "/clusters?region=Turin&week=2018-W22&zone=a&bbox=1,2,3,4",
            "bbox, zone: only one of these can be given",
        ),
        (
            "/clusters?region=Turin&week=22",
            "week: an ISO week like 2018-W22 or a date like 2018-05-31 is needed",
        ),
        ("/clusters?region=Turin&week=2018-W53", "week: 2018-W53 does not exist"),
        (
            "/clusters?region=Turin&week=2018-W22&time=8",
            "time: a time of day like 08:00 or a window like 06:00-09:30 is needed",
        ),
        (
            "/clusters?region=Turin&week=2018-W22&cursor=x",
            "cursor: the next_cursor of the previous page of this list is needed",
        ),
        ("/clusters?region=Turin&week=2018-W22&limit=x", "limit: a whole number is needed"),
        ("/clusters/x", "cluster_id: a whole number is needed"),
        ("/files?task_id=a%20b", "task_id: the id of a task is needed"),
    ],
)
def test_invalid_parameters_are_refused_in_plain_words(client: httpx.Client, path: str, message: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (400, {"message": message})
