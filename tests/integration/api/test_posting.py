"""Posting trips: exact counts with repeated requests and concurrent writers, and clusters like those of files."""

import json
import random
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, posted, trip, wait_until

EVERYWHERE = {"nortest": "180,90", "southest": "-180,-90"}
WRITERS, POSTS = 20, 50


def _stats(client: httpx.Client, region: str) -> Any:
    return client.get("/trips/stats", params={"region": region, **EVERYWHERE}).json()


@pytest.fixture(scope="module")
def grouped(service: Service, client: httpx.Client) -> dict[str, Any]:
    """The cluster of posted trips that the pipeline finds, the only one of their region."""
    places = [[7.67 + n * 1e-4, 45.01] for n in range(8)]
    similar = [
        trip(region="Posted", origin=place, timestamp=f"2018-05-28 08:0{n}:00")
        for n, place in enumerate(places)
    ]
    assert client.post("/trips", json=posted(*similar)).status_code == 201
    with pipeline_of(service) as pipeline:
        pipeline.refresh()
    (cluster,) = client.get("/clusters", params={"region": "Posted", "week": "2018-W22"}).json()["features"]
    found: dict[str, Any] = cluster
    return found


def test_posted_trips_are_clustered_like_any_other(
    client: httpx.Client, trips_db: psycopg.Connection, grouped: dict[str, Any]
) -> None:
    assert grouped["properties"]["trips"] == 8
    members = client.get(f"/clusters/{grouped['id']}/trips").json()["trips"]
    assert [member["started_at"] for member in members] == [f"2018-05-28T08:0{n}:00" for n in range(8)]
    assert {member["source"] for member in members} == {"funny_car"}
    found = client.get(f"/trips/{members[0]['trip_id']}/cluster").json()
    assert found == {"trip_id": members[0]["trip_id"], "cluster": grouped}
    assert _stats(client, "Posted") == {"mean": 8.0}
    stale = trips_db.execute(
        "SELECT count(*) FROM shifts_store.stale_weeks WHERE region = 'Posted'"
    ).fetchone()
    assert stale == (0,)


def test_trips_posted_after_clustering_count_at_once_and_mark_their_pair_stale(
    client: httpx.Client, trips_db: psycopg.Connection, grouped: dict[str, Any]
) -> None:
    assert client.post("/trips", json=posted(trip(region="Posted"))).status_code == 201
    assert _stats(client, "Posted") == {"mean": 9.0}
    stale = trips_db.execute(
        "SELECT week::text, aggregates_stale, clusters_stale FROM shifts_store.stale_weeks WHERE region = 'Posted'"
    ).fetchall()
    assert stale == [("2018-05-28", True, True)]


def test_a_thousand_posted_trips_are_in_the_next_statistics(client: httpx.Client) -> None:
    body = posted(*[trip(region="Thousand", timestamp=f"2018-05-{28 + n % 3} 09:00:00") for n in range(1000)])
    assert client.post("/trips", json=body).status_code == 201
    assert _stats(client, "Thousand") == {"mean": 1000.0}


@pytest.mark.parametrize(
    "name",
    ['"', "\\", '\\"', "{a,b}", "NULL", "a\nb", "O'Hara; --", "Zürich 東京 🚕", "$1 %s :x", "(1,2)", "\x01"],
)
def test_unusual_names_are_stored_unchanged(
    client: httpx.Client, trips_db: psycopg.Connection, name: str
) -> None:
    body = posted(trip(region=name, source=name), trip(region=name, source=""))
    assert client.post("/trips", json=body).status_code == 201
    assert _stats(client, name) == {"mean": 2.0}
    sources = trips_db.execute(
        "SELECT source FROM shifts.trips WHERE region = %s ORDER BY 1", [name]
    ).fetchall()
    assert sources == [("",), (name,)]


def _send_and_go(service: Service, request: httpx.Request) -> None:
    """A client that disconnects before it receives the answer."""
    body = request.read()
    lines = [f"POST /api/v1/trips HTTP/1.1\r\nHost: localhost:{service.port}"]
    lines += [f"{name}: {request.headers[name]}" for name in ("Content-Length", "Idempotency-Key")]
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _write(service: Service, number: int) -> Counter[tuple[str, str]]:
    """One writer's posts, some repeated, some concurrent; returns the trips it inserted by (region, week)."""
    chance = random.Random(number)
    inserted: Counter[tuple[str, str]] = Counter()
    with httpx.Client(base_url=service.api, timeout=60) as client, ThreadPoolExecutor(3) as at_once:
        for post in range(POSTS):
            pairs = [(f"City {chance.randrange(7)}", chance.choice(("05-28", "06-04"))) for _ in range(3)]
            request = client.build_request(
                "POST",
                "/trips",
                json=posted(*[trip(region=city, timestamp=f"2018-{day} 09:00:00") for city, day in pairs]),
                headers={"Idempotency-Key": f"writer-{number}-post-{post}"},
            )
            kind = chance.randrange(6)
            if kind == 0:
                answers = list(at_once.map(client.send, [request] * 3))
            elif kind == 1:
                answers = [client.send(request) for _ in range(2)]
            else:
                if kind == 2:
                    _send_and_go(service, request)
                answers = [client.send(request)]
            assert {(answer.status_code, answer.text) for answer in answers} == {
                (201, '{"message":"Points inserted"}')
            }
            inserted.update(pairs)
    return inserted


def test_concurrent_writers_with_idempotency_keys_insert_each_trip_once(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    with ThreadPoolExecutor(WRITERS) as writers:
        inserted = sum(writers.map(lambda number: _write(service, number), range(WRITERS)), Counter())
    assert inserted.total() == WRITERS * POSTS * 3
    found = trips_db.execute(
        "SELECT region, to_char(date_trunc('week', started_at), 'MM-DD'), count(*), count(DISTINCT trip_id)"
        " FROM shifts.trips WHERE region LIKE 'City%' GROUP BY 1, 2"
    ).fetchall()
    assert {(region, week): (trips, ids) for region, week, trips, ids in found} == {
        pair: (trips, trips) for pair, trips in inserted.items()
    }
    for city in {city for city, _ in inserted}:
        weeks = [trips for (region, _), trips in inserted.items() if region == city]
        assert _stats(client, city) == {"mean": sum(weeks) / len(weeks)}
    lists = trips_db.execute(
        "SELECT count(*), sum(rows_loaded) FROM shifts_store.trip_files f WHERE kind = 'json' AND EXISTS"
        " (SELECT FROM shifts_store.idempotency_keys k WHERE k.file_id = f.file_id AND k.key LIKE 'writer%')"
    ).fetchone()
    assert lists == (WRITERS * POSTS, inserted.total())


def test_concurrent_posts_to_the_same_new_week_both_succeed(
    client: httpx.Client, database_url: str, trips_db: psycopg.Connection
) -> None:
    with psycopg.connect(database_url) as first, ThreadPoolExecutor() as beside:
        first.execute("SELECT shifts_store.ensure_week('2019-07-01')")
        second = beside.submit(
            client.post, "/trips", json=posted(trip(region="New", timestamp="2019-07-02 09:00:00"))
        )

        def waits() -> bool:
            return (
                trips_db.execute(
                    "SELECT FROM pg_stat_activity WHERE application_name = 'shifts_api' AND wait_event = 'advisory'"
                    " AND datname = current_database()"
                ).fetchone()
                is not None
            )

        wait_until(waits, 10)
        first.commit()
        assert second.result().status_code == 201
    assert _stats(client, "New") == {"mean": 1.0}


def _posted_with(client: httpx.Client, key: str, body: object) -> tuple[int, Any]:
    answer = client.post("/trips", json=body, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json()


def test_an_idempotency_key_belongs_to_one_request(client: httpx.Client) -> None:
    first = posted(trip(region="Key"))
    assert _posted_with(client, "one", first) == (201, {"message": "Points inserted"})
    assert _posted_with(client, "one", first) == (201, {"message": "Points inserted"})
    other = (422, {"message": "Idempotency-Key: used for another request"})
    assert _posted_with(client, "one", posted(trip(region="Key"), trip(region="Key"))) == other
    assert _stats(client, "Key") == {"mean": 1.0}


def test_an_invalid_request_does_not_use_its_key(client: httpx.Client) -> None:
    assert _posted_with(client, "mended", posted(trip(region="Mended", origin=[999, 0])))[0] == 400
    assert _posted_with(client, "mended", posted(trip(region="Mended")))[0] == 201


def test_a_repeated_file_request_is_the_same_task(client: httpx.Client, service: Service) -> None:
    (service.landing / "repeated.csv").write_text("region\n")
    body = {"data_type": "mocked", "data": "repeated.csv"}
    first = _posted_with(client, "file", body)
    assert first[0] == 202
    assert _posted_with(client, "file", body) == first
    assert _posted_with(client, "another", body) != first


def test_a_posted_list_is_an_entry_of_the_ledger(client: httpx.Client) -> None:
    body = json.dumps(posted(trip(region="Entry"), trip(region="Entry")))
    client.post("/trips", content=body)
    newest = client.get("/files", params={"limit": 1}).json()["files"][0]
    assert (newest["status"], newest["rows_loaded"], newest["error"]) == ("loaded", 2, None)
    assert newest["name"] == f"posted/{newest['task_id']}"
    assert client.get(f"/files/{newest['file_id']}").json() == newest
