"""Writes that wait for a lock are refused soon and take no connection from reads, `/ready` and `/metrics`."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.integration.api.running import Service, posted, trip, wait_until

HELD = {"message": "Other writes hold the same weeks, try again"}
BUSY = {"message": "The database is busy or away, try again"}
POSTS = 20


@pytest.fixture(autouse=True)
def _pair(client: httpx.Client) -> None:
    """Ensures that the (region, week) pair exists, so that it can be locked."""
    assert client.post("/trips", json=posted(trip())).status_code == 201


@contextmanager
def _held(database_url: str) -> Iterator[None]:
    """Locks the pair as a load that replaces it does."""
    with psycopg.connect(database_url) as holder:
        holder.execute("SELECT FROM shifts_store.region_weeks FOR UPDATE")
        yield
        holder.rollback()


def _ready(service: Service) -> dict[str, object]:
    answer = httpx.get(f"{service.root}/ready", timeout=20)
    assert answer.status_code == 200
    found: dict[str, object] = answer.json()
    return found


def test_blocked_posts_delay_neither_reads_nor_readiness(
    service: Service, client: httpx.Client, database_url: str
) -> None:
    ended = threading.Event()
    answers: list[httpx.Response] = []

    def post() -> None:
        while not ended.is_set():
            answers.append(client.post("/trips", json=posted(trip())))

    with _held(database_url), ThreadPoolExecutor(POSTS) as posters:
        done = [posters.submit(post) for _ in range(POSTS)]
        try:
            wait_until(lambda: _ready(service)["writes"] == "busy", 20)
            for _ in range(10):
                assert client.get("/regions").status_code == 200
                assert client.get("/trips/stats", params=_everywhere()).json() == {"mean": 1.0}
                assert _ready(service)["ready"] is True
                assert "shifts_stale_pairs" in httpx.get(f"{service.root}/metrics", timeout=20).text
        finally:
            ended.set()
        for future in done:
            future.result()
    assert len(answers) >= POSTS
    assert {answer.status_code for answer in answers} == {503}
    refusals = [(answer.json(), answer.headers["Retry-After"]) for answer in answers]
    assert all(answer in ((HELD, "5"), (BUSY, "2")) for answer in refusals)
    assert (HELD, "5") in refusals
    wait_until(lambda: _ready(service)["writes"] == "ok", 20)
    assert client.post("/trips", json=posted(trip())).status_code == 201
    assert client.get("/trips/stats", params=_everywhere()).json() == {"mean": 2.0}


def _everywhere() -> dict[str, str]:
    return {"region": "Turin", "nortest": "180,90", "southest": "-180,-90"}


def test_the_key_of_a_refused_post_can_be_used_again(client: httpx.Client, database_url: str) -> None:
    before = client.get("/trips/stats", params=_everywhere()).json()["mean"]
    key = {"Idempotency-Key": "held"}
    with _held(database_url):
        assert client.post("/trips", json=posted(trip()), headers=key).json() == HELD
    for _ in range(2):
        assert client.post("/trips", json=posted(trip()), headers=key).status_code == 201
    assert client.get("/trips/stats", params=_everywhere()).json() == {"mean": before + 1}
