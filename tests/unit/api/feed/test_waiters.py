"""Clients that wait for events: they are pushed, or woken if they cannot take them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from shifts_api.feed.event import Event, EventFilter
from shifts_api.feed.waiter import BATCH, Waiter
from shifts_api.feed.window import ClientPosition, EventWindow


def _window(last: int, floor: int = 0) -> EventWindow:
    window = EventWindow(floor, 10**6, 10**9)
    window.append(
        [
            Event(
                number,
                "file.loaded" if number % 2 else "run.started",
                datetime.now(UTC),
                None,
                [],
                None,
                None,
                None,
                {},
            )
            for number in range(floor + 1, last + 1)
        ]
    )
    return window


@pytest.mark.parametrize(
    ("last", "floor", "accepts", "types", "pushed", "position", "woken"),
    [
        (3, 0, True, None, [2, 3], 3, False),
        (3, 0, False, None, [2, 3], 1, True),
        (3, 0, True, {"run.started"}, [2], 3, False),
        (2, 0, True, {"file.loaded"}, [], 2, False),
        (9, 4, True, None, [], 1, True),
        (BATCH + 1, 0, True, None, [], 1, True),
    ],
    ids=["accepted", "refused", "filtered", "nothing for it", "evicted", "too many"],
)
def test_a_client_that_waits_is_pushed_or_woken(
    last: int,
    floor: int,
    accepts: bool,
    types: set[str] | None,
    pushed: list[int],
    position: int,
    woken: bool,
) -> None:
    received: list[int] = []

    def push(events: Sequence[Event]) -> bool:
        received.extend(event.event_id for event in events)
        return accepts

    async def receive() -> None:
        client = ClientPosition(1)
        waiter = Waiter(client, EventFilter(types=None if types is None else frozenset(types)), push)
        delivered = waiter.receive(_window(last, floor))
        assert delivered == (0 if woken else len(pushed))
        assert (received, client.event_id, waiter.woken.done()) == (pushed, position, woken)

    asyncio.run(receive())
