"""Connections to both databases, in the role `shifts_api`, which may read and call functions that write."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, NamedTuple, cast

from fastapi import Depends, Request
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shifts_api.settings import ApiSettings
from shifts_core.database_url import parse_database_url

WRITE_LOCK_TIMEOUT_MS = 2_000
"""How long a write waits for a lock, such as that of a load that replaces the same weeks."""
PROBE_CONNECTIONS = 2
REPLAY_CONNECTIONS = 2
_FEED_TIMEOUT_MS = 60_000
_KEEPALIVES = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class Pools(NamedTuple):
    """Connections to the trips database; each kind of work has a pool of its own, so that none starves another."""

    reads: AsyncEngine
    writes: AsyncEngine
    probes: AsyncEngine
    """For `/ready` and `/metrics`, which answer even when all other connections are in use."""

    async def dispose(self) -> None:
        """Closes all connections."""
        for pool in self:
            await pool.dispose()


def create_pools(settings: ApiSettings) -> Pools:
    """The pools: a third of the configured connections for writes, two additional ones for probes."""
    writers = max(1, settings.api_pool_size // 3)
    readers = max(1, settings.api_pool_size - writers)
    timeout = f"-c statement_timeout={int(settings.api_statement_timeout_s * 1000)}"

    def create(size: int, *options: str) -> AsyncEngine:
        return _create_engine(
            settings.database_url,
            "shifts_api",
            size,
            timeout,
            *options,
            pool_timeout=settings.api_pool_wait_s,
        )

    return Pools(
        reads=create(readers),
        writes=create(writers, f"-c lock_timeout={WRITE_LOCK_TIMEOUT_MS}"),
        probes=create(PROBE_CONNECTIONS),
    )


def create_feed_engine(settings: ApiSettings) -> AsyncEngine:
    """Autocommitting connections to Dagster's database: one that listens, the others for replays.

    They must be direct, because a connection pooler in between would swallow notifications.
    """
    return _create_engine(
        settings.dagster_database_url,
        "shifts_api feed",
        1 + REPLAY_CONNECTIONS,
        f"-c statement_timeout={_FEED_TIMEOUT_MS}",
        isolation_level="AUTOCOMMIT",
    )


def is_exhausted(pool: AsyncEngine) -> bool:
    """Whether every connection of a pool is in use."""
    connections = cast("QueuePool", pool.sync_engine.pool)
    return connections.checkedout() >= connections.size()


async def snapshot(request: Request) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements all see the same snapshot of the trips database."""
    pools: Pools = request.app.state.pools
    async with pools.reads.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


# Returned to the pool before the answer is sent: a client that reads slowly holds no connection.
Snapshot = Annotated[AsyncConnection, Depends(snapshot, scope="function")]


def _create_engine(url: str, name: str, size: int, *options: str, **settings: Any) -> AsyncEngine:
    """A pool of `size` connections whose options follow those of the URL; all of them take the role's rights."""
    address = parse_database_url(url).set(drivername="postgresql+psycopg")
    given = address.query.get("options", "")
    all_options = [given] if isinstance(given, str) else list(given)
    return create_async_engine(
        address,
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={
            "options": " ".join([*all_options, "-c role=shifts_api -c timezone=UTC", *options]).strip(),
            "application_name": name,
            **_KEEPALIVES,
        },
        **settings,
    )
