"""Slow counts of pending trips: they take turns and leave connections to other requests."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from shifts_api.queries.slow_counts import SlowCounts
from shifts_api.web.errors import ApiError
from tests.integration.api.running import Service, posted, running, trip, wait_until

REQUESTS = 6


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """An API with few connections and a short statement timeout."""
    folder = tmp_path_factory.mktemp("few")
    more = {
        "SHIFTS_API_POOL_SIZE": "4",
        "SHIFTS_API_POOL_WAIT_S": "5",
        "SHIFTS_API_STATEMENT_TIMEOUT_S": "2",
    }
    with running(Service(database_url, dagster_database_url, folder, folder / "api.log", more)) as found:
        yield found


def _counting(database_url: str) -> int:
    """The number of counts that wait for the lock on the trips."""
    with psycopg.connect(database_url, autocommit=True) as observer:
        row = observer.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%count_pending%'"
            " AND wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_slow_counts_leave_connections_to_other_requests(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    assert client.post("/trips", json=posted(trip(), trip())).status_code == 201
    # As a version before segments left them, and so many that counting them takes long.
    trips_db.execute("UPDATE shifts_store.file_week_counts SET trips = 10000000, aggregated = false")
    trips_db.execute("DELETE FROM shifts_store.tile_segments")
    paths = [f"/trips/weekly?region=Turin&bbox=7,45,{8 + number},46" for number in range(REQUESTS)]
    with ThreadPoolExecutor(REQUESTS) as clients:
        with trips_db.transaction():
            trips_db.execute("LOCK TABLE shifts_store.trips IN ACCESS EXCLUSIVE MODE")
            asked = [clients.submit(client.get, path) for path in paths]
            wait_until(lambda: _counting(service.database_url) > 0, 10)
            for path in ("/regions", "/files", "/regions", "/files"):
                assert client.get(path).status_code == 200
            assert httpx.get(f"{service.root}/ready").status_code == 200
            assert _counting(service.database_url) == 1
        answers = [future.result() for future in asked]
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    assert [answer.json()["total_trips"] for answer in answers] == [2] * REQUESTS


def test_equal_counts_share_a_result_until_it_is_started() -> None:
    begun: list[int] = []

    async def run() -> list[int]:
        go_on = asyncio.Event()
        slow: SlowCounts[int] = SlowCounts(1)

        async def count() -> int:
            begun.append(len(begun))
            number = begun[-1]
            await go_on.wait()
            return number

        async def ask(key: str) -> asyncio.Task[int]:
            task = asyncio.create_task(slow.run(key, count))
            for _ in range(3):
                await asyncio.sleep(0)
            return task

        tasks = [await ask("a"), await ask("a"), await ask("a"), await ask("b")]
        assert begun == [0]
        go_on.set()
        return [await task for task in tasks]

    assert asyncio.run(run()) == [0, 1, 1, 2]


def test_a_client_that_disconnects_does_not_cancel_the_count_of_another() -> None:
    async def run() -> int:
        go_on = asyncio.Event()
        slow: SlowCounts[int] = SlowCounts(1)

        async def count() -> int:
            await go_on.wait()
            return 1

        leaves = asyncio.create_task(slow.run("a", count))
        blocked = [asyncio.create_task(slow.run("b", count)) for _ in range(2)]
        await asyncio.sleep(0)
        leaves.cancel()
        blocked[0].cancel()
        go_on.set()
        return await blocked[1]

    assert asyncio.run(run()) == 1


def test_a_count_is_refused_when_too_many_are_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shifts_api.queries.slow_counts._MAX_WAITING", 1)

    async def run() -> int:
        slow: SlowCounts[int] = SlowCounts(0)
        waiting = asyncio.create_task(slow.run("a", asyncio.Event().wait))
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            await slow.run("b", asyncio.Event().wait)
        waiting.cancel()
        return refused.value.status

    assert asyncio.run(run()) == 503


def test_a_timeout_while_tiles_are_read_is_answered_as_a_slow_query(
    client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    assert client.post("/trips", json=posted(trip(region="Slow"))).status_code == 201
    trips_db.execute(
        "UPDATE shifts_store.region_weeks SET tiles_revision = nextval('shifts_store.revisions')"
    )
    with trips_db.transaction():
        trips_db.execute("LOCK TABLE shifts_store.weekly_trip_tiles IN ACCESS EXCLUSIVE MODE")
        answer = client.get("/trips/weekly?region=Slow&bbox=7,45,8,46")
    assert (answer.status_code, answer.json()["message"]) == (503, "The query took too long, ask for less")
