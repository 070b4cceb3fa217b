"""A queue for counts that look at many single trips: few run at a time, so that all others find connections."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from shifts_api.web.errors import ApiError

T = TypeVar("T")

_MAX_WAITING = 500


class SlowCounts(Generic[T]):
    """Runs at most `limit` counts at a time; requests for the same count that has not begun share its result."""

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._waiting: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, count: Callable[[], Awaitable[T]]) -> T:
        """The result of `count`, or of another one of the same key that began after this call.

        Args:
            key: what is counted.
            count: takes its connection and its snapshot itself.

        Raises:
            ApiError: too many wait.
        """
        task = self._waiting.get(key)
        if task is None:
            if len(self._waiting) >= _MAX_WAITING:
                raise ApiError(503, "Too many counts are waiting, try again", {"Retry-After": "30"})
            task = self._waiting[key] = asyncio.create_task(self._run(key, count))
        # One client that leaves does not end the count of the others.
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, count: Callable[[], Awaitable[T]]) -> T:
        async with self._slots:
            # The snapshot is taken from here on: a request that comes later may know of later trips.
            del self._waiting[key]
            return await count()
