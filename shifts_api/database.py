"""The service's connections: a pool on the trips as a role that changes nothing, one listener on the feed."""

from collections.abc import AsyncIterator
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

ROLE = "shifts_api"
STATEMENT_TIMEOUT_S = 30
POOL_SIZE = 10
POOL_WAIT_S = 5.0


def create_pool(url: str) -> AsyncEngine:
    """The pool on the trips database."""
    return create_async_engine(
        _address(url).set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_pre_ping=True,
        connect_args={"options": f"-c role={ROLE} -c statement_timeout={STATEMENT_TIMEOUT_S * 1000}"},
    )


async def connect_to_feed(url: str) -> psycopg.AsyncConnection:
    """One connection to Dagster's database, for LISTEN and replays."""
    plain = _address(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return await psycopg.AsyncConnection.connect(plain, autocommit=True, options=f"-c role={ROLE}")


async def snapshot(request: Request) -> AsyncIterator[AsyncConnection]:
    """A connection whose every statement sees the same moment."""
    pool: AsyncEngine = request.app.state.pool
    async with pool.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


Snapshot = Annotated[AsyncConnection, Depends(snapshot)]


def _address(url: str) -> URL:
    return make_url(url.replace("postgres://", "postgresql://", 1))
