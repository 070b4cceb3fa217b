"""The newest events in memory, and a client's position in the outbox: replay and memory join without a gap."""

import bisect
from collections.abc import Sequence
from functools import cached_property

from shifts_api.feed.event import Event

_MAX_BATCHES = 8


class EventBatch(tuple[Event, ...]):
    """Events of the window that many clients receive together."""

    @cached_property
    def frames(self) -> bytes:
        """All of them as server-sent events, for clients without a filter."""
        return b"".join(event.frame for event in self)


class EventWindow:
    """Every event with `floor` < id <= `last_id`, by id; the oldest events are evicted first.

    Args:
        floor: the id after which the window begins.
        max_events: events to keep.
        max_bytes: bytes of frames to keep.
    """

    def __init__(self, floor: int, max_events: int, max_bytes: int) -> None:
        self.floor = floor
        self.last_id = floor
        self._events: list[Event] = []
        self._batches: dict[tuple[int, int], EventBatch] = {}
        """Of the last calls of `after`: clients that wait have the same position."""
        self._bytes = 0
        self._max_events = max_events
        self._max_bytes = max_bytes

    def append(self, page: Sequence[Event]) -> None:
        """Adds the events that follow `last_id` in the outbox."""
        self._batches.clear()
        self._events.extend(page)
        self._bytes += sum(len(event.frame) for event in page)
        self.last_id = page[-1].event_id
        evicted = 0
        while self._bytes > self._max_bytes or len(self._events) - evicted > self._max_events:
            self._bytes -= len(self._events[evicted].frame)
            evicted += 1
        if evicted:
            self.floor = self._events[evicted - 1].event_id
            del self._events[:evicted]

    def after(self, position: int, limit: int) -> EventBatch:
        """The first `limit` events with an id above `position`, which must be at least `floor`."""
        if (batch := self._batches.get((position, limit))) is None:
            first = bisect.bisect_right(self._events, position, key=lambda event: event.event_id)
            batch = EventBatch(self._events[first : first + limit])
            if len(self._batches) >= _MAX_BATCHES:
                self._batches.clear()
            self._batches[position, limit] = batch
        return batch


class ClientPosition:
    """A client's position: every event up to this id was delivered, no later one.

    Each step covers a range of ids that begins at the position and ends at an id that is fixed before the range is
    read. Events that are published in the meantime belong to the next step.
    """

    def __init__(self, event_id: int) -> None:
        self.event_id = event_id
        self._is_live = False

    def is_covered(self, window: EventWindow) -> bool:
        """Whether memory holds every event after the position; from the first time on the client counts as live."""
        covered = self.event_id >= window.floor
        self._is_live |= covered
        return covered

    @property
    def is_dropped(self) -> bool:
        """Whether a live client fell behind what memory holds; meaningful only if it is not covered."""
        return self._is_live

    def from_memory(self, window: EventWindow, limit: int) -> EventBatch:
        """Advances past the next events in memory and returns them."""
        events = window.after(self.event_id, limit)
        if events:
            self.event_id = events[-1].event_id
        return events

    def from_outbox(self, page: Sequence[Event], through: int, *, is_full: bool) -> Sequence[Event]:
        """Advances past a page that was read up to the id `through`; a full page ends at its last event."""
        return self._advance(page, page[-1].event_id if is_full else through)

    def _advance(self, events: Sequence[Event], through: int) -> Sequence[Event]:
        delivered = [event for event in events if self.event_id < event.event_id <= through]
        self.event_id = max(self.event_id, through)
        return delivered
