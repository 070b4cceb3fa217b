"""Listens to notifications of PostgreSQL on one connection, and connects again whenever it is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

NextNotification = Callable[[], Awaitable[None]]
"""Returns at the next notification; several that came before it is called are one."""

_MIN_BACKOFF_S, _MAX_BACKOFF_S = 0.1, 5.0


async def listen_forever(
    engine: AsyncEngine,
    channel: str,
    work: Callable[[AsyncConnection, NextNotification], Awaitable[None]],
    lost: Callable[[Exception, float], None],
) -> None:
    """Does the work on a connection that listens; never returns.

    Args:
        engine: one autocommitting connection, without a pooler in between.
        channel: the identifier that notifications are sent to.
        work: begins when the connection listens, so that what it reads first misses no later change; it begins
            again, on a new connection, when it returns and when its connection was lost.
        lost: is told of the error and of the seconds until the next attempt.
    """
    backoff_s = _MIN_BACKOFF_S
    while True:
        started_at = time.monotonic()
        try:
            async with engine.connect() as connection:
                try:
                    await connection.execute(text(f"LISTEN {channel}"))
                    pooled = await connection.get_raw_connection()
                    await work(connection, _notifications(pooled.driver_connection))
                finally:
                    # In the pool it would continue to receive notifications.
                    await connection.invalidate()
        except (SQLAlchemyError, psycopg.Error) as error:
            if time.monotonic() - started_at > _MAX_BACKOFF_S:
                backoff_s = _MIN_BACKOFF_S
            lost(error, backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)


def _notifications(driver: object) -> NextNotification:
    connection = cast("psycopg.AsyncConnection[Any]", driver)

    async def next_notification() -> None:
        async for _ in connection.notifies(stop_after=1):
            pass

    return next_notification
