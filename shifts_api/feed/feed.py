"""The fan-out: the newest events in memory, shared by all clients; each client is a place in them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence

import anyio
import psycopg
from psycopg_pool import AsyncConnectionPool

from shifts_api.feed.event import PAGE, Event, Wanted, read_page
from shifts_api.feed.window import Cursor, EventWindow
from shifts_api.queries.database import feed_conninfo

KEPT_EVENTS = 4_096
"""So many events a client may be behind before it is cut off; it may resume by id."""
KEPT_BYTES = 16 * 1024**2
BATCH = 2 * PAGE
REPLAYS_AT_ONCE = 2
GATHERED_FOR_S_A_CLIENT, GATHERED_FOR_S = 2.5e-5, 0.05
"""How long news are gathered before all are told: once for a burst costs a fraction of once for each event."""
_EVERYTHING = Wanted()
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0

_log = logging.getLogger(__name__)


class Feed:
    """Hears of the outbox on one connection and lets any number of clients follow."""

    def __init__(self, url: str, max_clients: int) -> None:
        self._conninfo = feed_conninfo(url)
        self._max_clients = max_clients
        self._window: EventWindow | None = None
        """None until the outbox was read for the first time; another one when the outbox was restored."""
        self._incarnation: str | None = None
        """Of the outbox that the window was read from."""
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.shutdown = anyio.Event()
        """Ends all clients' streams when set."""
        self.connected = False
        self.clients = 0
        self.heard = 0
        self.sent = 0
        self.cut_off = 0

    @property
    def is_full(self) -> bool:
        """Whether another client has to be sent away."""
        return self.clients >= self._max_clients

    async def start(self) -> None:
        """Begins to listen; returns at once, the database may come later."""
        self._replays = AsyncConnectionPool(
            self._conninfo, min_size=0, max_size=REPLAYS_AT_ONCE, kwargs={"autocommit": True}, open=False
        )
        await self._replays.open()
        self._tasks = [
            asyncio.create_task(self._listen_for_ever()),
            asyncio.create_task(self._wake_at_shutdown()),
        ]

    async def stop(self) -> None:
        """Ends all streams and closes the connections."""
        self.shutdown.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._replays.close(timeout=1)

    async def follow(self, wanted: Wanted, after: int | None) -> AsyncIterator[Sequence[Event]]:
        """Events as they come, several at once when a client is behind: from now on, or all behind an id.

        What is no longer in memory is read from the outbox, page by page, each up to the newest id that memory
        knows when the page is asked for; what is published later comes from memory. Ids become visible in rising
        order, so nothing is lost, doubled or out of order. A client that falls behind what memory holds is cut
        off: its stream ends. So does every stream when the feed shuts down, or when the outbox was restored.
        """
        with self._counted():
            while (window := self._window) is None:
                if self.shutdown.is_set():
                    return
                await self._news.wait()
            cursor = Cursor(window.last_id if after is None else await self._possible(window, after))
            while window is self._window and not self.shutdown.is_set():
                news = self._news
                if covered := cursor.is_covered(window):
                    events = cursor.from_memory(window, BATCH)
                elif cursor.is_dropped:
                    self.cut_off += 1
                    return
                else:
                    events = await self._replay(wanted, cursor, window)
                fitting = [event for event in events if wanted.fits(event)]
                if fitting:
                    self.sent += len(fitting)
                    yield fitting
                elif covered and not events:
                    await news.wait()

    async def _replay(self, wanted: Wanted, cursor: Cursor, window: EventWindow) -> Sequence[Event]:
        """The next page of the past."""
        replay = cursor.next_replay(window)
        async with self._replays.connection() as connection:
            page = await read_page(connection, replay.after, replay.through, wanted)
        return cursor.from_outbox(replay, page, is_full=len(page) == PAGE)

    async def _possible(self, window: EventWindow, after: int) -> int:
        """The id a client resumes at; one that the outbox did not reach yet is from before it was restored."""
        if after <= window.last_id:
            return after
        async with self._replays.connection() as connection:
            return min(after, await _last_id(connection))

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.clients += 1
        try:
            yield
        finally:
            self.clients -= 1

    async def _listen_for_ever(self) -> None:
        wait = _FIRST_WAIT_S
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._conninfo, autocommit=True
                ) as connection:
                    await connection.execute("LISTEN shifts_feed")
                    incarnation = await _read_incarnation(connection)
                    window = self._window
                    if window is None or incarnation != self._incarnation:
                        window = self._window = await _recent(connection)
                        self._incarnation = incarnation
                        self._wake()
                    self.connected = True
                    wait = _FIRST_WAIT_S
                    # A table that was restored in place leaves the connection as it is: connect again.
                    while await _read_incarnation(connection) == incarnation:
                        await self._take_in(connection, window)
                        async for _ in connection.notifies(stop_after=1):
                            pass
            except psycopg.Error as error:
                self.connected = False
                _log.warning("the feed's connection is away", extra={"error": str(error), "next_try_s": wait})
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_S)

    async def _take_in(self, connection: psycopg.AsyncConnection, window: EventWindow) -> None:
        """Reads what is new, once, and tells everyone."""
        await asyncio.sleep(min(GATHERED_FOR_S, self.clients * GATHERED_FOR_S_A_CLIENT))
        while page := await read_page(connection, window.last_id, None, _EVERYTHING):
            window.append(page)
            self.heard += len(page)
            self._wake()
            # Clients get their turn before the next page could push them out of memory.
            await asyncio.sleep(0)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _wake_at_shutdown(self) -> None:
        await self.shutdown.wait()
        self._wake()


async def _recent(connection: psycopg.AsyncConnection) -> EventWindow:
    """A window on the newest events, so that clients that resume after a restart are served from memory."""
    last = await _last_id(connection)
    row = await (
        await connection.execute(
            "SELECT min(event_id) FROM (SELECT event_id FROM shifts_feed.events WHERE event_id <= %s"
            " ORDER BY event_id DESC LIMIT %s) AS newest",
            [last, KEPT_EVENTS // 2],
        )
    ).fetchone()
    floor = int(row[0]) - 1 if row and row[0] is not None else last
    window = EventWindow(floor, KEPT_EVENTS, KEPT_BYTES)
    while window.last_id < last and (page := await read_page(connection, window.last_id, last, _EVERYTHING)):
        window.append(page)
    return window


async def _read_incarnation(connection: psycopg.AsyncConnection) -> str | None:
    row = await (await connection.execute("SELECT shifts_feed.incarnation()")).fetchone()
    return row[0] if row else None


async def _last_id(connection: psycopg.AsyncConnection) -> int:
    row = await (
        await connection.execute("SELECT coalesce(max(event_id), 0) FROM shifts_feed.events")
    ).fetchone()
    return int(row[0]) if row else 0
