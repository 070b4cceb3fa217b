"""Reads API keys at each change, which the database notifies every process of."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shifts_api.queries.api_keys import StoredKeys, read_keys

_MIN_BACKOFF_S, _MAX_BACKOFF_S = 0.1, 5.0
_log = logging.getLogger(__name__)


class KeyListener:
    """Reads all keys, again and again.

    Args:
        engine: one autocommitting connection to the trips database, without a pooler in between.
        receive: takes the keys after each read, in the order of the reads' snapshots.
    """

    def __init__(self, engine: AsyncEngine, receive: Callable[[StoredKeys], None]) -> None:
        self._engine = engine
        self._receive = receive
        self._reading = asyncio.Lock()
        """One read at a time: the result of an earlier one must not take the place of a later one."""

    async def read(self, connection: AsyncConnection) -> None:
        """Reads the keys now."""
        async with self._reading:
            self._receive(await read_keys(connection))

    async def listen_forever(self) -> None:
        """Reads the keys at each change; never returns."""
        backoff_s = _MIN_BACKOFF_S
        while True:
            try:
                async with self._engine.connect() as connection:
                    try:
                        await self._listen(connection)
                    finally:
                        # In the pool it would continue to receive notifications.
                        await connection.invalidate()
            except (SQLAlchemyError, psycopg.Error) as error:
                _log.warning(
                    "changes of keys are not received",
                    extra={"error": type(error).__name__, "next_try_s": backoff_s},
                )
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)

    async def stop(self) -> None:
        """Closes the connection."""
        await self._engine.dispose()

    async def _listen(self, connection: AsyncConnection) -> None:
        # Listens before it reads, so that no change in between is missed.
        await connection.execute(text("LISTEN shifts_api_keys"))
        pooled = await connection.get_raw_connection()
        driver = cast("psycopg.AsyncConnection[Any]", pooled.driver_connection)
        while True:
            await self.read(connection)
            async for _ in driver.notifies(stop_after=1):
                pass
