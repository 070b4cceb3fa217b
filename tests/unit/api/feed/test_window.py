"""The limits of the event window, and when a client counts as live."""

from datetime import UTC, datetime

from shifts_api.feed.event import Event
from shifts_api.feed.window import ClientPosition, EventWindow

UNLIMITED = 10**9


def _events(first: int, last: int) -> list[Event]:
    at = datetime(2018, 5, 28, tzinfo=UTC)
    return [Event(number, "a", at, None, [], None, None, None, {}) for number in range(first, last + 1)]


def _ids(window: EventWindow) -> list[int]:
    return [event.event_id for event in window.after(0, UNLIMITED)]


def test_the_window_is_limited_by_events() -> None:
    window = EventWindow(0, 3, UNLIMITED)
    window.append(_events(1, 3))
    assert (_ids(window), window.floor) == ([1, 2, 3], 0)
    window.append(_events(4, 5))
    assert (_ids(window), window.floor) == ([3, 4, 5], 2)


def test_the_window_is_limited_by_bytes() -> None:
    size = len(_events(1, 1)[0].frame)
    window = EventWindow(0, UNLIMITED, 3 * size)
    window.append(_events(1, 3))
    assert (_ids(window), window.floor) == ([1, 2, 3], 0)
    window.append(_events(4, 4))
    assert (_ids(window), window.floor) == ([2, 3, 4], 1)
    window.append(_events(5, 6))
    assert (_ids(window), window.floor) == ([4, 5, 6], 3)


def test_an_oversized_event_leaves_the_window_empty() -> None:
    window = EventWindow(0, UNLIMITED, len(_events(1, 1)[0].frame) - 1)
    window.append(_events(1, 1))
    assert (_ids(window), window.floor, window.last_id) == ([], 1, 1)


def test_a_client_is_covered_from_the_floor_of_the_window_on() -> None:
    window = EventWindow(0, 2, UNLIMITED)
    window.append(_events(1, 4))
    assert not ClientPosition(1).is_covered(window)
    assert ClientPosition(2).is_covered(window)


def test_only_a_live_client_is_dropped() -> None:
    window = EventWindow(0, 2, UNLIMITED)
    live = ClientPosition(0)
    assert live.is_covered(window)
    window.append(_events(1, 3))
    for position, dropped in ((live, True), (ClientPosition(0), False)):
        assert not position.is_covered(window)
        assert position.is_dropped is dropped
