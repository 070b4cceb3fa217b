"""Every answer contains what was committed before it, with several processes and whatever connections end."""

import asyncio
import contextlib
import itertools
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries import shared_reads
from shifts_api.queries.database import Pools, create_pools
from shifts_api.queries.regions import find_region
from shifts_api.queries.shared_reads import SharedReads
from shifts_api.queries.tile_cache import TileCache, binary_cursor
from shifts_api.queries.weekly_trips import count_in_memory, weekly_trips
from shifts_api.settings import ApiSettings
from shifts_core.tiles.box import Box
from shifts_core.weekly_statistics import WeeklyQuery
from tests.integration.api.running import Service, posted, running, trip

ROUNDS = 40
WHOLE = "-180,-90,180,90"
STRADDLED = "7.6,45.0,7.65,45.1"
"""Its eastern side divides the trips, so that some are compared one by one."""


@pytest.fixture(scope="module")
def other(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A second process on the same databases."""
    log = tmp_path_factory.mktemp("other") / "api.log"
    with running(Service(service.database_url, service.dagster_database_url, service.landing, log)) as found:
        yield found


def _post(service: Service, region: str, count: int, shift: float = 0.0) -> None:
    trips = [
        trip(region=region, origin=[7.61 + shift + n * 1.234567e-4, 45.05], destination=[7.62, 45.05])
        for n in range(count)
    ]
    assert httpx.post(f"{service.api}/trips", json=posted(*trips), timeout=20).status_code == 201


def _total(service: Service, region: str, bbox: str = WHOLE) -> int:
    answer = httpx.get(f"{service.api}/trips/weekly", params={"region": region, "bbox": bbox}, timeout=20)
    return int(answer.raise_for_status().json()["total_trips"])


def _count(trips_db: psycopg.Connection, region: str, bbox: str) -> int:
    row = trips_db.execute(
        "SELECT count(*) FROM shifts.trips, ST_MakeEnvelope(%s, %s, %s, %s, 4326) AS box"
        " WHERE region = %s AND ST_Intersects(origin, box) AND ST_Intersects(destination, box)",
        [*map(float, bbox.split(",")), region],
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_post_is_in_the_next_answer_of_every_process(
    service: Service, other: Service, trips_db: psycopg.Connection
) -> None:
    for number in range(ROUNDS):
        writer, reader = (service, other) if number % 2 else (other, service)
        # Segments of more than 128 trips are counted from tiles.
        _post(writer, "Fresh", 1 + 150 * (number % 3), number * 1e-3)
        assert _total(reader, "Fresh", STRADDLED) == _count(trips_db, "Fresh", STRADDLED)
        assert _total(reader, "Fresh") == _total(writer, "Fresh")


@dataclass
class Posts:
    """Posts of one writer, for which answers give limits."""

    begun: int = 0
    done: int = 0
    wrong: list[tuple[int, int, int]] = field(default_factory=list)


def test_answers_lie_between_what_was_committed_before_and_what_was_posted_until_then(
    service: Service, other: Service
) -> None:
    _post(service, "Busy", 1)
    posts, stop = Posts(1, 1), threading.Event()

    def write() -> None:
        for _ in range(ROUNDS):
            posts.begun += 5
            _post(service, "Busy", 5)
            posts.done += 5
        stop.set()

    def read(reader: Service) -> None:
        last = 0
        while not stop.is_set():
            at_least = max(posts.done, last)
            last = _total(reader, "Busy")
            if not at_least <= last <= posts.begun:
                posts.wrong.append((at_least, last, posts.begun))

    threads = [threading.Thread(target=read, args=(each,)) for each in (service, other) * 3]
    threads.append(threading.Thread(target=write))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert posts.wrong == []
    assert _total(other, "Busy") == posts.done == 1 + 5 * ROUNDS


def test_answers_are_fresh_after_all_connections_were_lost(
    service: Service, other: Service, trips_db: psycopg.Connection
) -> None:
    for _ in range(5):
        _post(service, "Lost", 3)
        assert _total(other, "Lost") == _total(service, "Lost")
        trips_db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'shifts_api%'"
        )
        _post(service, "Lost", 3)
        assert _total(other, "Lost") == _count(trips_db, "Lost", WHOLE)


def test_a_process_that_was_killed_misses_nothing_that_was_posted_meanwhile(
    service: Service, other: Service
) -> None:
    _post(service, "Killed", 2)
    assert _total(other, "Killed") == 2
    other.stop(signal.SIGKILL)
    _post(service, "Killed", 2)
    other.start()
    assert _total(other, "Killed") == 4


async def _read(pools: Pools, tiles: TileCache, query: WeeklyQuery) -> None:
    """Reads a region's tiles in a snapshot."""
    async with pools.reads.connect() as connection:
        region = await find_region(connection, query.region)
        assert region is not None
        limits = query.limits(region.span)
        assert limits is not None
        await weekly_trips(connection, tiles, region, query, limits, 0)
        tiles.remember(query.region, region)


def test_a_count_from_memory_is_dropped_when_the_region_has_changed(service: Service, tmp_path: Path) -> None:
    settings = ApiSettings(
        database_url=service.database_url,
        dagster_database_url=service.dagster_database_url,
        landing_url=str(tmp_path),
    )
    query = WeeklyQuery("Memory", Box(7.6, 45.0, 7.65, 45.1))

    async def totals() -> list[int | None]:
        found: list[int | None] = []

        async def ask() -> None:
            answer = await count_in_memory(reads, tiles, query)
            found.append(None if answer is None else int(sum(map(sum, answer.trips.values()))))

        async with AsyncExitStack() as stack:
            pools = create_pools(settings)
            stack.push_async_callback(pools.dispose)
            tiles, reads = TileCache(pools.reads, 1024**3), SharedReads(pools.reads)
            stack.push_async_callback(reads.stop)
            for count in (300, 7):
                await asyncio.to_thread(_post, service, "Memory", count)
                await ask()
                await _read(pools, tiles, query)
                await ask()
        return found

    nothing, first, dropped, second = asyncio.run(totals())
    assert (nothing, dropped) == (None, None)
    assert (first, second) == (300, 307)


def test_requests_that_wait_share_statements(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _post(service, "Shared", 3)
    settings = ApiSettings(
        database_url=service.database_url,
        dagster_database_url=service.dagster_database_url,
        landing_url=str(tmp_path),
    )
    statements: list[int] = []

    async def read_together(names: list[str]) -> list[Any]:
        pools = create_pools(settings)
        reads = SharedReads(pools.reads)
        deliver = SharedReads._deliver

        def count(requests: Any, rows: Any) -> None:
            statements.append(len(requests))
            deliver(requests, rows)

        monkeypatch.setattr(SharedReads, "_deliver", staticmethod(count))
        waiting = [asyncio.create_task(reads.read(name, None)) for name in names]
        await asyncio.sleep(0)
        # A client that disconnects takes nothing away from the others.
        waiting[0].cancel()
        try:
            return await asyncio.gather(*waiting, return_exceptions=True)
        finally:
            await reads.stop()
            await pools.dispose()

    answers = asyncio.run(read_together(["Shared", "Nowhere"] * 30))
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [answer.region is not None for answer in answers[1:]] == [
        *itertools.islice(itertools.cycle([False, True]), 59)
    ]
    assert sum(statements) == 60
    assert len(statements) <= 3


def test_a_request_is_answered_that_arrives_while_connections_are_given_back(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ApiSettings(
        database_url=service.database_url,
        dagster_database_url=service.dagster_database_url,
        landing_url=str(tmp_path),
    )

    async def read_at_the_end() -> list[Any]:
        release = asyncio.Event()

        @contextlib.asynccontextmanager
        async def held(connection: AsyncConnection) -> AsyncIterator[Any]:
            async with binary_cursor(connection) as cursor:
                yield cursor
            await release.wait()

        monkeypatch.setattr(shared_reads, "binary_cursor", held)
        pools = create_pools(settings)
        reads = SharedReads(pools.reads)
        answers = [await reads.read("Nowhere", None) for _ in range(2)]
        late = asyncio.create_task(reads.read("Nowhere", None))
        await asyncio.sleep(0)
        release.set()
        async with asyncio.timeout(20):
            answers.append(await late)
        await reads.stop()
        await pools.dispose()
        return answers

    assert [answer.region for answer in asyncio.run(read_at_the_end())] == [None] * 3


def test_every_waiting_request_fails_when_there_is_no_connection(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    settings = ApiSettings(database_url=nowhere, dagster_database_url=nowhere, landing_url=str(tmp_path))

    async def read_together() -> list[Any]:
        pools = create_pools(settings)
        reads = SharedReads(pools.reads)
        async with asyncio.timeout(20):
            answers = await asyncio.gather(
                *(reads.read("a", None) for _ in range(10)), return_exceptions=True
            )
        await reads.stop()
        await pools.dispose()
        return answers

    assert {type(answer).__name__ for answer in asyncio.run(read_together())} == {"OperationalError"}
