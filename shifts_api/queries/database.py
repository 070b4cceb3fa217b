"""Connections to both databases, in the role `shifts_api`, which may read and call functions that write.

Requests with a limited key read in a role of their own, which sees only what the key may see.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, NamedTuple, cast

from fastapi import Depends, Request
from sqlalchemy import ARRAY, QueuePool, Select, Text, func, literal, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shifts_api.settings import ApiSettings
from shifts_api.web.identity import identity_of
from shifts_core.access.rights import Rights
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
    """For `/ready`, `/metrics` and the audit trail, which work even when all other connections are in use."""

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


def create_key_engine(settings: ApiSettings) -> AsyncEngine:
    """One autocommitting connection to the trips database that listens for changes of API keys.

    It must be direct, as those of the feed.
    """
    return _create_engine(settings.database_url, "shifts_api keys", 1, isolation_level="AUTOCOMMIT")


def is_exhausted(pool: AsyncEngine) -> bool:
    """Whether every connection of a pool is in use."""
    connections = cast("QueuePool", pool.sync_engine.pool)
    return connections.checkedout() >= connections.size()


async def snapshot(request: Request) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements all see the same snapshot, of what the request's key may see."""
    rights = identity_of(request).rights
    async with open_snapshot(request) as connection:
        if rights.is_limited:
            await connection.execute(_limit_to(rights))
        yield connection


@asynccontextmanager
async def open_snapshot(request: Request) -> AsyncIterator[AsyncConnection]:
    """A snapshot of everything. Callers check what the request's key may see."""
    pools: Pools = request.app.state.pools
    async with pools.reads.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _limit_to(rights: Rights) -> Select[Any]:
    """Gives the rest of the transaction a role that sees no more than a limited key may see."""
    names = None if rights.regions is None else sorted(rights.regions)
    role = "shifts_api_aggregates" if rights.aggregates_only else "shifts_api_limited"
    return select(func.shifts_store.limit_reads(literal(names, ARRAY(Text)), role))


async def limit_writes(connection: AsyncConnection, rights: Rights) -> None:
    """Refuses to write into other regions than those of a limited key, for the rest of the transaction."""
    if rights.regions is not None:
        names = sql_cast(literal(sorted(rights.regions), ARRAY(Text)), Text)
        await connection.execute(select(func.set_config("shifts.writable_regions", names, True)))


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
