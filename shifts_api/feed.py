"""The feed: one connection listens on the outbox, each event is read and written out once for all."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from shifts_api.database import connect_to_feed

CHANNEL = "shifts_feed"
QUEUE_SIZE = 1_000
"""Events a client may be behind before it is cut off; it may resume by id."""
PAGE = 500
RECONNECT_S = (0.5, 1.0, 2.0, 5.0)

_log = logging.getLogger(__name__)
_COLUMNS = "event_id, type, occurred_at, run_id, task_ids, asset, partition, message, details"


@dataclass(frozen=True)
class Event:
    """A row of the outbox."""

    event_id: int
    type: str
    occurred_at: datetime
    run_id: str | None
    task_ids: list[str]
    asset: str | None
    partition: str | None
    message: str | None
    details: dict[str, Any]

    def data(self) -> str:
        """What a client gets, as JSON; what does not apply is left out."""
        fields = {
            "run_id": self.run_id,
            "task_id": self.task_ids[0] if len(self.task_ids) == 1 else None,
            "task_ids": self.task_ids if len(self.task_ids) > 1 else None,
            "asset": self.asset,
            "partition": self.partition,
            "time": self.occurred_at.isoformat(),
            "message": self.message,
            **self.details,
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None})


@dataclass(frozen=True)
class Wanted:
    """A client's filter; None lets everything through."""

    task_id: str | None = None
    run_id: str | None = None
    types: frozenset[str] | None = None

    def fits(self, event: Event) -> bool:
        """Whether the client wants the event."""
        return (
            (self.task_id is None or self.task_id in event.task_ids)
            and (self.run_id is None or self.run_id == event.run_id)
            and (self.types is None or event.type in self.types)
        )


@dataclass(frozen=True)
class Written:
    """An event with its JSON, made once for all clients."""

    event: Event
    data: str


class CutOff(Exception):  # noqa: N818  the client's own doing
    """The client did not read and is no longer served."""


class Feed:
    """Fans the outbox out to any number of clients."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: set[asyncio.Queue[Written | None]] = set()
        self._last_id = 0
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self.connected = False
        self.sent = 0

    @property
    def clients(self) -> int:
        """How many are listening."""
        return len(self._clients)

    async def start(self) -> None:
        """Begins to listen; returns at once, the database may come later."""
        self._task = asyncio.create_task(self._listen_for_ever())

    async def stop(self) -> None:
        """Ends listening and all clients' streams."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for queue in list(self._clients):
            _put_end(queue)

    async def events(self, wanted: Wanted, after: int | None) -> AsyncIterator[Written]:
        """Events from now on, or everything after an id; ends when the feed stops.

        The client's queue is open before the past is read, and what is in both is dropped from the queue: ids
        rise with their commits, so nothing is lost and nothing comes twice.

        Raises:
            CutOff: the client was `QUEUE_SIZE` events behind.
        """
        queue: asyncio.Queue[Written | None] = asyncio.Queue(QUEUE_SIZE + 1)
        await self._started.wait()
        self._clients.add(queue)
        try:
            seen = self._last_id if after is None else after
            if after is not None:
                async with await connect_to_feed(self._url) as connection:
                    while page := await _read(connection, seen):
                        for written in page:
                            seen = written.event.event_id
                            if wanted.fits(written.event):
                                yield written
            while (item := await queue.get()) is not None:
                if item.event.event_id > seen and wanted.fits(item.event):
                    yield item
            if queue not in self._clients:
                raise CutOff
        finally:
            self._clients.discard(queue)

    async def _listen_for_ever(self) -> None:
        attempt = 0
        while True:
            try:
                async with await connect_to_feed(self._url) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    if not self._started.is_set():
                        row = await (
                            await connection.execute(
                                "SELECT coalesce(max(event_id), 0) FROM shifts_feed.events"
                            )
                        ).fetchone()
                        self._last_id = int(row[0]) if row else 0
                        self._started.set()
                    self.connected = True
                    attempt = 0
                    await self._pass_on(connection)
                    async for _ in connection.notifies():
                        await self._pass_on(connection)
            except psycopg.Error as error:
                self.connected = False
                wait = RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)]
                _log.warning("the feed's connection is away (%s), next try in %s s", error, wait)
                attempt += 1
                await asyncio.sleep(wait)

    async def _pass_on(self, connection: psycopg.AsyncConnection) -> None:
        """Reads what is new, once, and gives it to everyone."""
        while page := await _read(connection, self._last_id):
            for written in page:
                self._last_id = written.event.event_id
                for queue in list(self._clients):
                    self._give(queue, written)

    def _give(self, queue: asyncio.Queue[Written | None], written: Written) -> None:
        if queue.qsize() >= QUEUE_SIZE:
            self._clients.discard(queue)
            _put_end(queue)
            return
        queue.put_nowait(written)
        self.sent += 1


def _put_end(queue: asyncio.Queue[Written | None]) -> None:
    """Makes room for the end: what waits before it is not read any more."""
    while queue.full():
        queue.get_nowait()
    queue.put_nowait(None)


async def _read(connection: psycopg.AsyncConnection, after: int) -> Sequence[Written]:
    async with connection.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM shifts_feed.events WHERE event_id > %s ORDER BY event_id LIMIT {PAGE}",  # noqa: S608
            [after],
        )
        return [Written(event, event.data()) for event in await cursor.fetchall()]
