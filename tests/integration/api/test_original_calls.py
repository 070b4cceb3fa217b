"""The calls of the original service: same paths, parameters, status codes and bodies."""

import json
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.api.running import TRIP, posted, trip

EVERYWHERE = {"nortest": "180,90", "southest": "-180,-90"}


def _stats(client: httpx.Client, **parameters: str) -> tuple[int, Any]:
    response = client.get("/trips/stats", params=parameters)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "nortest, region, southest"),
        ({"region": "Turin"}, "nortest, southest"),
        ({"nortest": "1,1"}, "region, southest"),
        ({"southest": "1,1", "region": "Turin"}, "nortest"),
        ({"nortest": "1,1", "southest": "0,0"}, "region"),
        ({"nortest": "not a corner"}, "region, southest"),
    ],
)
def test_missing_parameters_are_listed_in_order_before_any_wrong_format(
    client: httpx.Client, given: dict[str, str], missing: str
) -> None:
    assert _stats(client, **given) == (400, {"message": f"Missing query parameters: {missing}"})


@pytest.mark.parametrize(
    ("corners", "wrong"),
    [
        ({"nortest": "1;1", "southest": "0,0"}, "nortest"),
        ({"nortest": "1,1", "southest": "0"}, "southest"),
        ({"nortest": "a,b", "southest": "1,2,3"}, "nortest, southest"),
        ({"nortest": "1,", "southest": ",1"}, "nortest, southest"),
        ({"nortest": "nan,1", "southest": "inf,1"}, "nortest, southest"),
    ],
)
def test_corners_that_are_not_two_numbers_are_listed_in_order(
    client: httpx.Client, corners: dict[str, str], wrong: str
) -> None:
    answer = _stats(client, region="Nowhere", **corners)
    assert answer == (400, {"message": f"Wrong format in query parameters: {wrong}"})


def test_an_unknown_region_is_reported_last(client: httpx.Client) -> None:
    assert _stats(client, region="Paris", **EVERYWHERE) == (400, {"message": "Region Paris not found"})


def test_posted_trips_are_in_the_next_statistics(client: httpx.Client) -> None:
    response = client.post("/trips", json=posted(trip(region="Next"), trip(region="Next")))
    assert (response.status_code, response.json()) == (201, {"message": "Points inserted"})
    assert _stats(client, region="Next", **EVERYWHERE) == (200, {"mean": 2.0})
    client.post("/trips", json=posted(trip(region="Next", timestamp="2018-06-04 00:00:00")))
    assert _stats(client, region="Next", **EVERYWHERE) == (200, {"mean": 1.5})


def test_a_box_without_trips_has_the_mean_null(client: httpx.Client) -> None:
    client.post("/trips", json=posted(trip(region="Null")))
    assert _stats(client, region="Null", nortest="-10.5,-10.5", southest="-11,-11") == (200, {"mean": None})


def test_both_ends_must_lie_in_the_box_which_includes_its_border(client: httpx.Client) -> None:
    client.post(
        "/trips", json=posted(trip(region="Border", origin=[-1.5, 2.25], destination="[3.75, -4.125]"))
    )
    assert _stats(client, region="Border", nortest="3.75,2.25", southest="-1.5,-4.125") == (
        200,
        {"mean": 1.0},
    )
    assert _stats(client, region="Border", nortest="3.74,2.25", southest="-1.5,-4.125") == (
        200,
        {"mean": None},
    )


def test_points_may_be_strings_and_keep_every_digit(
    client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    exact = [7.123456789012345, -45.000000000000007]
    client.post("/trips", json=posted(trip(region="Digits", origin=exact, destination=json.dumps(exact))))
    stored = trips_db.execute(
        "SELECT ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination)"
        " FROM shifts.trips WHERE region = 'Digits'"
    ).fetchall()
    assert stored == [(*exact, *exact)]


def test_posted_trips_are_in_the_ledger_and_make_their_week_stale(
    client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    client.post("/trips", json=posted(*[trip(region="Ledger")] * 3))
    entry = client.get("/files", params={"limit": 1}).json()["files"][0]
    assert (entry["status"], entry["rows_loaded"], entry["rows_rejected"]) == ("loaded", 3, 0)
    stale = trips_db.execute(
        "SELECT week::text, aggregates_stale, clusters_stale FROM shifts_store.stale_weeks"
        " WHERE region = 'Ledger'"
    ).fetchall()
    assert stale == [("2018-05-28", True, True)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"region": ""}, "region"),
        ({"region": "  "}, "region"),
        ({"region": 7}, "region"),
        ({"region": None}, "region"),
        ({"region": "a\0b"}, "region"),
        ({"region": "x" * 1025}, "region"),
        ({"origin": [1]}, "origin"),
        ({"origin": [1, 2, 3]}, "origin"),
        ({"origin": [181, 0]}, "origin"),
        ({"origin": [0, -90.001]}, "origin"),
        ({"origin": [True, 0]}, "origin"),
        ({"origin": ["1", "2"]}, "origin"),
        ({"origin": {"x": 1, "y": 2}}, "origin"),
        ({"destination": "1.0, 1.0"}, "destination"),
        ({"destination": "[1.0; 1.0]"}, "destination"),
        ({"destination": "[1e999, 0]"}, "destination"),
        ({"destination": "[nan, 0]"}, "destination"),
        ({"timestamp": "2018-05-28"}, "timestamp"),
        ({"timestamp": "2018-02-30 09:00:00"}, "timestamp"),
        ({"timestamp": "2018-05-28 24:00:00"}, "timestamp"),
        ({"timestamp": "1999-12-31 23:59:59"}, "timestamp"),
        ({"timestamp": "2999-01-01 00:00:00"}, "timestamp"),
        ({"timestamp": 1527498220}, "timestamp"),
        ({"source": None}, "source"),
    ],
)
def test_one_invalid_trip_inserts_none_of_the_list_and_names_its_field(
    client: httpx.Client, trips_db: psycopg.Connection, change: dict[str, Any], field: str
) -> None:
    before = trips_db.execute("SELECT count(*) FROM shifts_store.trips").fetchone()
    response = client.post("/trips", json=posted(TRIP, trip(**change)))
    assert response.status_code == 400
    assert list(response.json()) == ["message"]
    assert response.json()["message"].startswith(f"data.1.{field}")
    assert trips_db.execute("SELECT count(*) FROM shifts_store.trips").fetchone() == before


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'"x"', "body"),
        (b"{}", "data_type"),
        (b'{"data_type": "xml", "data": []}', "data_type"),
        (b'{"data_type": 1, "data": []}', "data_type"),
        (b'{"data_type": "json"}', "data"),
        (b'{"data_type": "json", "data": {}}', "data"),
        (b'{"data_type": "json", "data": []}', "data"),
        (b'{"data_type": "json", "data": [1]}', "data.0"),
        (b'{"data_type": "mocked"}', "data"),
        (b'{"data_type": "mocked", "data": ["a.csv"]}', "data"),
        (b'{"data_type": "gcp", "data": null}', "data"),
        (b'{"data_type": "gcp", "data": "a.csv"}', "data"),
    ],
)
def test_an_invalid_body_is_refused_with_the_field_that_is_wrong(
    client: httpx.Client, body: bytes, named: str
) -> None:
    response = client.post("/trips", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert list(response.json()) == ["message"]
    assert response.json()["message"].startswith(f"{named}:")


@pytest.mark.parametrize("absolute", [False, True])
def test_a_requested_file_is_queued_when_the_request_is_answered(
    client: httpx.Client, landing_folder: Path, absolute: bool
) -> None:
    (landing_folder / "asked.csv").write_text("region\n")
    path = str(landing_folder / "asked.csv") if absolute else "asked.csv"
    response = client.post("/trips", json={"data_type": "mocked", "data": path})
    task_id = response.json()["message"].removeprefix("Task is processing: ")
    assert (response.status_code, response.json()) == (
        202,
        {"message": f"Task is processing: {task_id}", "metadata": "PENDING"},
    )
    (entry,) = client.get("/files", params={"task_id": task_id}).json()["files"]
    assert (entry["name"], entry["status"]) == ("asked.csv", "queued")
    assert entry["uri"] == (landing_folder / "asked.csv").as_uri()
