"""The end of rights, for thousands of streams that were opened with them."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Ending:
    """Comes when a key is revoked or changed, or a session is ended.

    Streams leave in constant time, however many there are; a shared future would search its callbacks.
    """

    def __init__(self) -> None:
        self._has_come = False
        self._waiting: set[asyncio.Future[None]] = set()

    def come(self) -> None:
        """Wakes all who wait."""
        self._has_come = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def add(self, future: asyncio.Future[None]) -> None:
        """Completes the future when the end comes, or now if it has come."""
        if self._has_come and not future.done():
            future.set_result(None)
        self._waiting.add(future)

    def discard(self, future: asyncio.Future[None]) -> None:
        """Forgets the future."""
        self._waiting.discard(future)


@contextmanager
def first_of(endings: Sequence[Ending]) -> Iterator[asyncio.Future[None]]:
    """A future that is done when the first of these ends has come."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    for ending in endings:
        ending.add(future)
    try:
        yield future
    finally:
        for ending in endings:
            ending.discard(future)
