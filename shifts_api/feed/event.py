"""One event of the feed: how it is read from the outbox, written out once for all clients, and filtered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import psycopg
from psycopg.rows import class_row
from sse_starlette import ServerSentEvent

TYPES = (
    "run.queued",
    "run.started",
    "run.succeeded",
    "run.failed",
    "run.canceled",
    "file.progress",
    "file.loaded",
    "file.failed",
    "asset.materialized",
    "check.failed",
)
PAGE = 500
MAX_MESSAGE = 4_000
"""Characters of a message; whoever wants a whole stack trace finds it in the run."""


@dataclass(frozen=True)
class Wanted:
    """A client's filter; None lets everything through."""

    task_id: str | None = None
    run_id: str | None = None
    types: frozenset[str] | None = None

    def fits(self, event: "Event") -> bool:
        """Whether the client wants the event."""
        return (
            (self.types is None or event.type in self.types)
            and (self.task_id is None or self.task_id in event.task_ids)
            and (self.run_id is None or self.run_id == event.run_id)
        )


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

    @cached_property
    def frame(self) -> bytes:
        """The event as it goes over the wire: most clients get these very bytes."""
        return self._frame(self.task_ids[0] if len(self.task_ids) == 1 else None)

    def frame_for(self, wanted: Wanted) -> bytes:
        """The same for a client that follows one task of an event that concerns several."""
        if wanted.task_id is None or len(self.task_ids) == 1:
            return self.frame
        return self._frame(wanted.task_id)

    @cached_property
    def notification(self) -> str:
        """The event as the original service's clients know it; for `file.loaded` and `file.failed`."""
        data = {
            "task_id": self.task_ids[0] if self.task_ids else None,
            "status": "DONE" if self.type == "file.loaded" else "FAILED",
            "message": self.message or "",
        }
        return json.dumps({"type": "notification", "data": json.dumps(data)})

    def _frame(self, task_id: str | None) -> bytes:
        fields = {
            **self.details,
            "run_id": self.run_id,
            "task_id": task_id,
            "task_ids": self.task_ids or None,
            "asset": self.asset,
            "partition": self.partition,
            "time": self.occurred_at.astimezone(UTC).isoformat(),
            "message": self.message and self.message[:MAX_MESSAGE],
        }
        data = json.dumps({name: value for name, value in fields.items() if value is not None})
        return ServerSentEvent(data, event=self.type, id=str(self.event_id)).encode()


async def read_page(
    connection: psycopg.AsyncConnection, after: int, through: int | None, wanted: Wanted
) -> Sequence[Event]:
    """The first `PAGE` events with `after` < id <= `through`, in order; without an end if that is None.

    Ids become visible in rising order (the outbox sees to it), so what is read has no gaps that fill later.
    """
    async with connection.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(
            """
            SELECT event_id, type, occurred_at, run_id, task_ids, asset, partition, message, details
            FROM shifts_feed.events
            WHERE event_id > %(after)s
              AND (%(through)s::bigint IS NULL OR event_id <= %(through)s)
              AND (%(task_id)s::text IS NULL OR %(task_id)s = ANY (task_ids))
              AND (%(run_id)s::text IS NULL OR run_id = %(run_id)s)
              AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s))
            ORDER BY event_id LIMIT %(page)s
            """,
            {
                "after": after,
                "through": through,
                "task_id": wanted.task_id,
                "run_id": wanted.run_id,
                "types": None if wanted.types is None else list(wanted.types),
                "page": PAGE,
            },
        )
        return await cursor.fetchall()
