"""The newest events in memory, and a client's position in the outbox: how replay and memory join without a gap."""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

from shifts_api.feed.event import Event


class EventWindow:
    """Every event with `floor` < id <= `last_id`, in the order of ids; the oldest ones leave first.

    Args:
        floor: the id behind which the window begins.
        max_events: events kept.
        max_bytes: bytes of frames kept.
    """

    def __init__(self, floor: int, max_events: int, max_bytes: int) -> None:
        self.floor = floor
        self.last_id = floor
        self._events: list[Event] = []
        self._bytes = 0
        self._max_events = max_events
        self._max_bytes = max_bytes

    def append(self, page: Sequence[Event]) -> None:
        """Adds the events that follow `last_id` in the outbox."""
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

    def after(self, position: int, limit: int) -> Sequence[Event]:
        """The first `limit` events behind a position, which must not lie below `floor`."""
        first = bisect.bisect_right(self._events, position, key=lambda event: event.event_id)
        return self._events[first : first + limit]


class Replay(NamedTuple):
    """Events to read from the outbox: `after` < id <= `through`."""

    after: int
    through: int


class Cursor:
    """A client's position: every event up to it was delivered, none behind it.

    Each step covers one range of ids that begins at the position and ends at an id fixed before the range is read, so
    events that are published meanwhile belong to the next step.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        self._is_live = False

    def is_covered(self, window: EventWindow) -> bool:
        """Whether memory holds everything behind the position; from the first time on the client counts as live."""
        covered = self.position >= window.floor
        self._is_live |= covered
        return covered

    @property
    def is_dropped(self) -> bool:
        """Whether the client, once live, fell behind what memory holds; meaningful when it is not covered."""
        return self._is_live

    def from_memory(self, window: EventWindow, limit: int) -> Sequence[Event]:
        """The next events from memory; moves behind them."""
        events = window.after(self.position, limit)
        return self._advance(events, events[-1].event_id) if events else events

    def next_replay(self, window: EventWindow) -> Replay:
        """The range to read from the outbox next."""
        return Replay(self.position, window.last_id)

    def from_outbox(self, replay: Replay, page: Sequence[Event], *, is_full: bool) -> Sequence[Event]:
        """Takes what was read of a range; a full page ends at its last event, any other one at the range's end."""
        return self._advance(page, page[-1].event_id if is_full else replay.through)

    def _advance(self, events: Sequence[Event], through: int) -> Sequence[Event]:
        delivered = [event for event in events if self.position < event.event_id <= through]
        self.position = max(self.position, through)
        return delivered
