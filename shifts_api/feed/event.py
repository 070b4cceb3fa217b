"""One event of the feed: its filter, and its encoding for server-sent events and WebSocket clients."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sse_starlette import ServerSentEvent

from shifts_core.access.rights import UNLIMITED, Rights

TYPES = (
    "run.queued",
    "run.started",
    "run.succeeded",
    "run.failed",
    "run.canceled",
    "file.progress",
    "file.loaded",
    "file.failed",
    "file.deleted",
    "asset.materialized",
    "check.failed",
    "sensor.failed",
    "schedule.failed",
)
_UNCOUNTED_DETAILS = frozenset(
    {
        "check",
        "file_id",
        "first_partition",
        "job",
        "last_partition",
        "regions",
        "severity",
        "share",
        "status",
        "step",
        "url",
    }
)
MAX_MESSAGE = 4_000
"""Characters of a message; the run in Dagster's UI holds the whole stack trace."""


@dataclass(frozen=True)
class EventFilter:
    """The events that a client asked for; None accepts all."""

    task_id: str | None = None
    run_id: str | None = None
    types: frozenset[str] | None = None
    rights: Rights = UNLIMITED
    """Of the client's key."""

    def accepts(self, event: "Event") -> bool:
        """Whether the event meets every condition."""
        return (
            self.rights.allows_all_of(event.regions)
            and (self.types is None or event.type in self.types)
            and (self.task_id is None or self.task_id in event.task_ids)
            and (self.run_id is None or self.run_id == event.run_id)
        )

    def choose(self, events: "Sequence[Event]") -> "Sequence[Event]":
        """The events that it accepts; all of them without a condition."""
        is_open = self.types is None and self.task_id is None and self.run_id is None
        if is_open and not self.rights.is_limited:
            return events
        return [event for event in events if self.accepts(event)]


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
        """The event as a server-sent event; most clients receive these bytes."""
        return self._encode(self.task_ids[0] if len(self.task_ids) == 1 else None)

    @property
    def regions(self) -> list[str]:
        """The regions that the event concerns, by name; empty if it does not say."""
        found = self.details.get("regions")
        return found if isinstance(found, list) else []

    def frame_for(self, event_filter: EventFilter) -> bytes:
        """The frame for a client that may follow one of the event's several tasks, or may not see its message."""
        if event_filter.rights.min_count is not None:
            return self.without_counts.frame_for(replace(event_filter, rights=UNLIMITED))
        if self._is_withheld(event_filter):
            return replace(self, message=None).frame_for(replace(event_filter, rights=UNLIMITED))
        if event_filter.task_id is None or len(self.task_ids) == 1:
            return self.frame
        return self._encode(event_filter.task_id)

    @cached_property
    def without_counts(self) -> "Event":
        """The event without its message, which counts trips or quotes a row, and without numbers of rows."""
        details = {name: value for name, value in self.details.items() if name in _UNCOUNTED_DETAILS}
        return replace(self, message=None, details=details)

    def notification_for(self, event_filter: EventFilter) -> str:
        """A `file.loaded` or `file.failed` event as the original service's WebSocket sends it."""
        if event_filter.rights.min_count is not None:
            return self.without_counts.notification
        if self._is_withheld(event_filter):
            return replace(self, message=None).notification
        return self.notification

    @cached_property
    def notification(self) -> str:
        """The notification with its message."""
        data = {
            "task_id": self.task_ids[0] if self.task_ids else None,
            "status": "DONE" if self.type == "file.loaded" else "FAILED",
            "message": self.message or "",
        }
        return json.dumps({"type": "notification", "data": json.dumps(data)})

    def _is_withheld(self, event_filter: EventFilter) -> bool:
        """Whether the message is not for the client: the reason of a failure may quote a row."""
        return event_filter.rights.aggregates_only and self.type.endswith(".failed")

    def _encode(self, task_id: str | None) -> bytes:
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
