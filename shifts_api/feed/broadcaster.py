"""Delivers events to all clients: one connection listens, the newest events are shared in memory."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shifts_api.feed.event import Event, EventFilter
from shifts_api.feed.outbox import (
    PAGE,
    limit_to_regions,
    read_id_before,
    read_incarnation,
    read_last_id,
    read_page,
)
from shifts_api.feed.waiter import ALL_EVENTS, BATCH, Push, Waiter
from shifts_api.feed.window import ClientPosition, EventWindow
from shifts_api.queries.listening import NextNotification, listen_forever

MAX_EVENTS = 4_096
"""Events in memory; a client that falls further behind is dropped and may resume by id."""
MAX_BYTES = 16 * 1024**2
_DELAY_S_PER_CLIENT, _MAX_DELAY_S = 2.5e-5, 0.05
"""Between broadcasts: one broadcast of a burst costs far less than one of each event."""
_PUSHED_AT_ONCE = 250
"""Clients that receive events before other tasks run: some milliseconds."""

_log = logging.getLogger(__name__)


class Broadcaster:
    """Listens to the outbox on one connection; any number of clients follow.

    Args:
        engine: autocommitting connections to Dagster's database: one to listen, the others for replays.
        max_clients: clients at one time.
        dagster_url: base URL of the Dagster UI, to which the events link.
    """

    def __init__(self, engine: AsyncEngine, max_clients: int, dagster_url: str) -> None:
        self._engine = engine
        self._dagster_url = dagster_url
        self._max_clients = max_clients
        self._window: EventWindow | None = None
        """None until the outbox was read; replaced when the outbox was restored."""
        self._incarnation: str | None = None
        """Of the outbox that the window was read from."""
        self._waiters: set[Waiter] = set()
        self._broadcast_at = -_MAX_DELAY_S
        """Start of the last broadcast, by the monotonic clock."""
        self._tasks: list[asyncio.Task[None]] = []
        self.shutdown = asyncio.Event()
        """Ends all clients' streams when set."""
        self.connected = False
        self.clients = 0
        self.received = 0
        self.delivered = 0
        self.dropped = 0

    @property
    def is_full(self) -> bool:
        """Whether no further client is accepted."""
        return self.clients >= self._max_clients

    def start(self) -> None:
        """Starts to listen; the database need not be available yet."""
        self._tasks = [
            asyncio.create_task(
                listen_forever(self._engine, "shifts_feed", self._listen, self._lose_connection)
            ),
            asyncio.create_task(self._wake_at_shutdown()),
        ]

    async def stop(self) -> None:
        """Ends all streams and closes the connections."""
        self.shutdown.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._engine.dispose()

    async def follow(
        self, event_filter: EventFilter, after: int | None, push: Push | None = None
    ) -> AsyncIterator[Sequence[Event]]:
        """Batches of events, from now on or from an id on.

        Events that are no longer in memory are read from the outbox in pages, each up to the newest id in memory at
        that moment; later ones come from memory. Ids become visible in ascending order, so no event is lost,
        duplicated or out of order. The stream ends when the client falls behind what memory holds (it is dropped),
        when the broadcaster stops, and when the outbox was restored.

        Args:
            event_filter: the events to deliver.
            after: the id after which to resume; None for new events only.
            push: takes new events while the stream waits for them, which costs less than yielding them.
        """
        with self._count_client():
            while (window := self._window) is None:
                if self.shutdown.is_set():
                    return
                await self._wait(Waiter())
            position = ClientPosition(window.last_id if after is None else await self._clamp(window, after))
            while window is self._window and not self.shutdown.is_set():
                events: Sequence[Event]
                if covered := position.is_covered(window):
                    events = position.from_memory(window, BATCH)
                elif position.is_dropped:
                    self.dropped += 1
                    return
                else:
                    events = await self._replay(event_filter, position, window)
                if accepted := event_filter.choose(events):
                    self.delivered += len(accepted)
                    yield accepted
                elif covered and not events:
                    await self._wait(Waiter(position, event_filter, push))

    async def _wait(self, waiter: Waiter) -> None:
        """Returns when the client has something to do itself."""
        self._waiters.add(waiter)
        try:
            await waiter.woken
        finally:
            self._waiters.discard(waiter)

    async def _replay(
        self, event_filter: EventFilter, position: ClientPosition, window: EventWindow
    ) -> Sequence[Event]:
        through = window.last_id
        async with self._engine.connect() as connection:
            if event_filter.rights.regions is not None:
                await connection.execution_options(isolation_level="READ COMMITTED")
                await limit_to_regions(connection, event_filter.rights.regions)
            page = await self._read_page(connection, position.event_id, through, event_filter)
        return position.from_outbox(page, through, is_full=len(page) == PAGE)

    async def _clamp(self, window: EventWindow, after: int) -> int:
        """The id to resume from; an id that the outbox has not reached dates from before a restore."""
        if after <= window.last_id:
            return after
        async with self._engine.connect() as connection:
            return min(after, await read_last_id(connection))

    @contextlib.contextmanager
    def _count_client(self) -> Iterator[None]:
        self.clients += 1
        try:
            yield
        finally:
            self.clients -= 1

    def _lose_connection(self, error: Exception, next_try_s: float) -> None:
        self.connected = False
        _log.warning("the feed's connection is lost", extra={"error": str(error), "next_try_s": next_try_s})

    async def _listen(self, connection: AsyncConnection, next_notification: NextNotification) -> None:
        """Receives events until the outbox is restored, which may keep the connection."""
        incarnation = await read_incarnation(connection)
        window = self._window
        if window is None or incarnation != self._incarnation:
            window = self._window = await self._read_window(connection)
            self._incarnation = incarnation
            self._wake()
        self.connected = True
        while await read_incarnation(connection) == incarnation:
            await self._receive(connection, window)
            await next_notification()

    async def _receive(self, connection: AsyncConnection, window: EventWindow) -> None:
        """Reads the new events once and wakes all clients."""
        delay = min(_MAX_DELAY_S, self.clients * _DELAY_S_PER_CLIENT)
        await asyncio.sleep(max(0.0, self._broadcast_at + delay - time.monotonic()))
        while page := await self._read_page(connection, window.last_id, None):
            window.append(page)
            self.received += len(page)
            await self._broadcast(window)
            # Clients run before the next page could evict events that they have not received.
            await asyncio.sleep(0)

    async def _broadcast(self, window: EventWindow) -> None:
        """Pushes the new events to the clients that wait, and wakes those that cannot take them."""
        self._broadcast_at = time.monotonic()
        for number, waiter in enumerate(tuple(self._waiters), start=1):
            if not waiter.woken.done():
                self.delivered += waiter.receive(window)
            if number % _PUSHED_AT_ONCE == 0:
                # Requests are answered in between.
                await asyncio.sleep(0)

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.wake()

    async def _wake_at_shutdown(self) -> None:
        await self.shutdown.wait()
        self._wake()

    async def _read_window(self, connection: AsyncConnection) -> EventWindow:
        """A window of the newest events, so that clients that resume after a restart are served from memory."""
        last = await read_last_id(connection)
        window = EventWindow(await read_id_before(connection, last, MAX_EVENTS // 2), MAX_EVENTS, MAX_BYTES)
        while window.last_id < last and (page := await self._read_page(connection, window.last_id, last)):
            window.append(page)
        return window

    async def _read_page(
        self,
        connection: AsyncConnection,
        after: int,
        through: int | None,
        event_filter: EventFilter = ALL_EVENTS,
    ) -> Sequence[Event]:
        return await read_page(connection, after, through, event_filter, self._dagster_url)
