"""Reads API keys at each change, which the database notifies every process of."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shifts_api.queries.api_keys import StoredKeys, read_keys
from shifts_api.queries.listening import NextNotification, listen_forever

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
        await listen_forever(self._engine, "shifts_api_keys", self._listen, _warn)

    async def stop(self) -> None:
        """Closes the connection."""
        await self._engine.dispose()

    async def _listen(self, connection: AsyncConnection, next_notification: NextNotification) -> None:
        while True:
            await self.read(connection)
            await next_notification()


def _warn(error: Exception, next_try_s: float) -> None:
    _log.warning(
        "changes of keys are not received", extra={"error": type(error).__name__, "next_try_s": next_try_s}
    )
