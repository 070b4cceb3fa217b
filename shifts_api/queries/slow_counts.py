"""Limits how many slow counts run at a time, so that other requests find free connections."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from shifts_api.web.errors import ApiError

T = TypeVar("T")

_MAX_WAITING = 500


class SlowCounts(Generic[T]):
    """Runs at most `limit` counts at a time; requests for the same count share its result until it starts."""

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._waiting: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, count: Callable[[], Awaitable[T]]) -> T:
        """Returns the result of `count`, or of another count with the same key that starts after this call.

        Args:
            key: identifies what is counted.
            count: opens its own connection and snapshot.

        Raises:
            ApiError: 503, too many counts are waiting.
        """
        task = self._waiting.get(key)
        if task is None:
            if len(self._waiting) >= _MAX_WAITING:
                raise ApiError(503, "Too many counts are waiting, try again", {"Retry-After": "30"})
            task = self._waiting[key] = asyncio.create_task(self._run(key, count))
        # A client that disconnects must not cancel the count of the others.
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, count: Callable[[], Awaitable[T]]) -> T:
        async with self._slots:
            # The snapshot is taken below, so a later request may expect later trips: it must not share this result.
            del self._waiting[key]
            return await count()
