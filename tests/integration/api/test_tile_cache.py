"""The tile cache on a database: reading ahead, errors, the memory budget and `/ready`."""

import asyncio
import contextlib
import math
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bench.pairs_data import fill_pairs
from shifts_api.app import create_app
from shifts_api.queries import tile_cache, tile_rows
from shifts_api.queries.counters import create_counters
from shifts_api.queries.database import create_pools
from shifts_api.queries.regions import find_region
from shifts_api.queries.tile_cache import TileCache
from shifts_api.queries.tile_source import EXACT, TileSource
from shifts_api.queries.weekly_trips import weekly_trips
from shifts_api.settings import ApiSettings
from shifts_core.tiles.box import Box
from shifts_core.tiles.codec import Leaves, decode_leaves
from shifts_core.weekly_statistics import WeeklyQuery

REGIONS, WEEKS, TRIPS = 16, 60, 20
PLENTY = 1024**3
BOX = Box(7.6, 45.0, 7.7, 45.1)


@pytest.fixture(scope="module")
def options(database_url: str) -> ApiSettings:
    """Settings of a database with many small (region, week) pairs."""
    fill_pairs(database_url, REGIONS, WEEKS, TRIPS)
    return ApiSettings(database_url=database_url, dagster_database_url=database_url, landing_url="landing")


@contextlib.asynccontextmanager
async def pool_of(options: ApiSettings) -> AsyncIterator[AsyncEngine]:
    pool = create_pools(options).reads
    try:
        yield pool
    finally:
        await pool.dispose()


@contextlib.asynccontextmanager
async def reading(pool: AsyncEngine, max_bytes: int) -> AsyncIterator[TileCache]:
    """A cache that reads ahead."""
    tiles = TileCache(pool, max_bytes)
    task = asyncio.create_task(tiles.read_ahead())
    try:
        yield tiles
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def wait_until_loaded(tiles: TileCache, pairs: int) -> None:
    """Returns when the high bits of so many pairs are in memory."""
    async with asyncio.timeout(60):
        while tiles.indexes.weeks_loaded < pairs:
            await asyncio.sleep(0.005)


async def ask(connection: AsyncConnection, tiles: TileCache, name: str) -> int:
    """The number of a region's trips in the box."""
    region = await find_region(connection, name)
    assert region is not None
    weeks = (date(2000, 1, 3), date(2999, 12, 30))
    trips = await weekly_trips(connection, tiles, region, WeeklyQuery(name, BOX), weeks, math.inf)
    assert trips is not None
    return int(sum(of_week.sum() for of_week in trips.values()))


@contextlib.contextmanager
def calls_counted() -> Iterator[list[int]]:
    """Counts the calls from code of the API."""
    calls = [0]

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event in ("call", "c_call") and "shifts_api" in frame.f_code.co_filename:
            calls[0] += 1

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def test_the_work_of_reading_ahead_is_proportional_to_the_number_of_pairs(
    options: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    revisions = EXACT.revisions

    async def calls_for(first_regions: int) -> int:
        chosen = revisions.replace("WHERE", f"WHERE region_id <= {first_regions} AND")
        monkeypatch.setattr(TileSource, "revisions", chosen)
        async with pool_of(options) as pool:
            with calls_counted() as calls:
                async with reading(pool, PLENTY) as tiles:
                    await wait_until_loaded(tiles, first_regions * WEEKS)
        return calls[0]

    asyncio.run(calls_for(1))
    few, many = asyncio.run(calls_for(2)), asyncio.run(calls_for(16))
    assert many < 8 * 1.3 * few


@pytest.mark.parametrize("error", [OSError, MemoryError, ValueError])
def test_reading_ahead_continues_after_an_error_and_retries_the_region(
    options: ApiSettings, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    failures = [error(), error()]

    def fail_at_first(blobs: list[bytes]) -> Leaves:
        if failures:
            raise failures.pop()
        return decode_leaves(blobs)

    async def read() -> None:
        async with pool_of(options) as pool, reading(pool, PLENTY) as tiles:
            await wait_until_loaded(tiles, REGIONS * WEEKS)

    monkeypatch.setattr(tile_rows, "decode_leaves", fail_at_first)
    monkeypatch.setattr(tile_cache, "_RETRY_S", 0.01)
    asyncio.run(read())
    assert not failures


def test_memory_stays_within_the_budget_and_answers_are_the_same(options: ApiSettings) -> None:
    async def read_all(max_bytes: int) -> tuple[int, list[int], set[int]]:
        async with pool_of(options) as pool, reading(pool, max_bytes) as tiles, pool.connect() as connection:
            counts, held = [], set()
            for number in [*range(1, REGIONS + 1), 1, 2]:
                counts.append(await ask(connection, tiles, f"Region {number}"))
                held.add(tiles.indexes.memory_bytes)
            return tiles.indexes.bounds_bytes, counts, held

    bounds_bytes, counts, held = asyncio.run(read_all(PLENTY))
    assert max(held) > bounds_bytes > 0
    for budget in (max(held) // 2, bounds_bytes // 4, bounds_bytes // REGIONS, 0):
        _, again, held = asyncio.run(read_all(budget))
        assert again == counts
        assert max(held) <= budget


def test_a_refreshed_week_replaces_its_memory(options: ApiSettings, trips_db: psycopg.Connection) -> None:
    async def totals() -> None:
        async with pool_of(options) as pool, reading(pool, PLENTY) as tiles, pool.connect() as connection:
            await wait_until_loaded(tiles, REGIONS * WEEKS)
            before = tiles.indexes.memory_bytes
            # A refresh that writes the same tiles again.
            trips_db.execute(
                "UPDATE shifts_store.region_weeks SET (tiles_revision, merged_revision) ="
                " (SELECT n, n FROM (SELECT nextval('shifts_store.revisions') + 1000000) AS r (n))"
                " WHERE region_id = 3 AND week = '2014-01-06'"
            )
            await ask(connection, tiles, "Region 3")
            await wait_until_loaded(tiles, REGIONS * WEEKS)
            assert tiles.indexes.memory_bytes == before

    asyncio.run(totals())


def test_ready_reports_that_tiles_cannot_be_read_until_a_read_succeeds(
    options: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answers() -> list[tuple[int, str]]:
        app, found = create_app(options), []
        app.state.pools = create_pools(options)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(app.state.pools.dispose)
            connection = await stack.enter_async_context(app.state.pools.reads.connect())
            app.state.counters = create_counters(
                app.state.pools.reads, options.model_copy(update={"api_tiles_bytes": 0})
            )
            app.state.feed = SimpleNamespace(connected=True)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                for failure in (None, OSError, MemoryError, None):

                    def read(blobs: list[bytes], failure: type[Exception] | None = failure) -> Leaves:
                        if failure is not None:
                            raise failure
                        return decode_leaves(blobs)

                    monkeypatch.setattr(tile_rows, "decode_leaves", read)
                    with contextlib.suppress(OSError, MemoryError):
                        await ask(connection, app.state.counters.exact.tiles, "Region 1")
                    answer = await client.get("/ready")
                    found.append((answer.status_code, answer.json()["statistics"]))
        return found

    assert asyncio.run(answers()) == [
        (200, "ok"),
        (503, "tiles are not readable (OSError)"),
        (503, "tiles are not readable (MemoryError)"),
        (200, "ok"),
    ]


def test_the_number_of_memory_mappings_does_not_grow_with_the_pairs(options: ApiSettings) -> None:
    async def grown() -> int:
        async with pool_of(options) as pool:
            before = len(Path("/proc/self/maps").read_text().splitlines())
            async with reading(pool, PLENTY) as tiles:
                await wait_until_loaded(tiles, REGIONS * WEEKS)
                return len(Path("/proc/self/maps").read_text().splitlines()) - before

    assert asyncio.run(grown()) < REGIONS * WEEKS // 10
