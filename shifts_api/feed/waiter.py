"""A client of the feed that waits for events: they are pushed to it, or it is woken."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shifts_api.feed.event import Event, EventFilter
from shifts_api.feed.outbox import PAGE
from shifts_api.feed.window import ClientPosition, EventWindow

BATCH = 2 * PAGE
"""Events that are delivered at a time."""
ALL_EVENTS = EventFilter()
Push = Callable[[Sequence[Event]], bool]
"""Sends events to a client without waiting; false if it cannot."""


@dataclass(eq=False)
class Waiter:
    """A client that has received every event so far."""

    position: ClientPosition | None = None
    event_filter: EventFilter = ALL_EVENTS
    push: Push | None = None
    woken: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def receive(self, window: EventWindow) -> int:
        """Pushes new events and returns their number, or wakes the client."""
        position, push = self.position, self.push
        if position is None or push is None or not position.is_covered(window):
            self.wake()
            return 0
        events = window.after(position.event_id, BATCH)
        accepted = self.event_filter.choose(events)
        if len(events) == BATCH or (accepted and not push(accepted)):
            self.wake()
            return 0
        if events:
            position.event_id = events[-1].event_id
        return len(accepted)

    def wake(self) -> None:
        """Makes the client look for events itself."""
        if not self.woken.done():
            self.woken.set_result(None)
