"""The service's connections: a pool on the trips as a role that changes nothing, direct ones to the feed."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shifts_api.database_url import parse_database_url
from shifts_api.settings import ApiSettings

ROLE = "shifts_api"
_NOTICE_DEAD_PEERS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def create_pool(settings: ApiSettings) -> AsyncEngine:
    """The pool on the trips database; a request waits a moment for a connection and is then sent away."""
    return create_async_engine(
        parse_database_url(settings.database_url).set(drivername="postgresql+psycopg"),
        pool_size=settings.api_pool_size,
        max_overflow=0,
        pool_timeout=settings.api_pool_wait_s,
        pool_pre_ping=True,
        connect_args={
            "options": _options(settings.database_url, int(settings.api_statement_timeout_s * 1000)),
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
    pool: AsyncEngine = request.app.state.pool
    async with pool.connect() as connection:
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
