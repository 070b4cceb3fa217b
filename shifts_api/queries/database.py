"""The service's connections: a pool on the trips as a role that changes nothing, direct ones to the feed."""

from collections.abc import AsyncIterator
from typing import Annotated, NamedTuple, cast

from fastapi import Depends, Request
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shifts_api.settings import ApiSettings
from shifts_core.database_url import parse_database_url

ROLE = "shifts_api"
WRITE_LOCK_TIMEOUT_MS = 2_000
"""How long a write waits for a lock, such as that of a load which is replacing the same weeks."""
PROBE_CONNECTIONS = 2
_NOTICE_DEAD_PEERS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class Pools(NamedTuple):
    """Connections to the trips database; each kind of work has its own, so that none takes those of another."""

    reads: AsyncEngine
    writes: AsyncEngine
    probes: AsyncEngine
    """For `/ready` and `/metrics`, which answer when all others are taken."""

    async def dispose(self) -> None:
        """Closes all connections."""
        for pool in self:
            await pool.dispose()


def create_pools(settings: ApiSettings) -> Pools:
    """The pools for some settings: a third of the connections for writes, two more for probes."""
    writers = max(1, settings.api_pool_size // 3)
    return Pools(
        reads=_create_pool(settings, max(1, settings.api_pool_size - writers)),
        writes=_create_pool(settings, writers, f"-c lock_timeout={WRITE_LOCK_TIMEOUT_MS}"),
        probes=_create_pool(settings, PROBE_CONNECTIONS),
    )


def is_exhausted(pool: AsyncEngine) -> bool:
    """Whether every connection of a pool is in use."""
    connections = cast("QueuePool", pool.sync_engine.pool)
    return connections.checkedout() >= connections.size()


def _create_pool(settings: ApiSettings, size: int, options: str = "") -> AsyncEngine:
    """A request waits a moment for a connection and is then sent away."""
    return create_async_engine(
        parse_database_url(settings.database_url).set(drivername="postgresql+psycopg"),
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.api_pool_wait_s,
        pool_pre_ping=True,
        connect_args={
            "options": " ".join(
                [_options(settings.database_url, int(settings.api_statement_timeout_s * 1000)), options]
            ),
            "application_name": "shifts_api",
            **_NOTICE_DEAD_PEERS,
        },
    )


def feed_conninfo(url: str) -> str:
    """How Dagster's database is reached: directly, for a pooler in between would swallow notifications."""
    return make_conninfo(
        _conninfo(url),
        options=_options(url, 60_000),
        application_name="shifts_api feed",
        **_NOTICE_DEAD_PEERS,
    )


async def snapshot(request: Request) -> AsyncIterator[AsyncConnection]:
    """A connection whose every statement sees the same moment."""
    pools: Pools = request.app.state.pools
    async with pools.reads.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


# Given back before the answer is sent: a client that reads slowly keeps no connection.
Snapshot = Annotated[AsyncConnection, Depends(snapshot, scope="function")]


def _conninfo(url: str) -> str:
    address = parse_database_url(url)
    # Written out by SQLAlchemy, the spaces of an option would be plus signs, which libpq leaves as they are.
    options = {
        name: value if isinstance(value, str) else ",".join(value) for name, value in address.query.items()
    }
    return make_conninfo(**{**address.translate_connect_args(username="user", database="dbname"), **options})


def _options(url: str, statement_timeout_ms: int) -> str:
    """The options of the URL, then ours: every connection gives up its user's rights for the role's."""
    given = str(conninfo_to_dict(_conninfo(url)).get("options") or "")
    return f"{given} -c role={ROLE} -c statement_timeout={statement_timeout_ms} -c timezone=UTC".strip()
