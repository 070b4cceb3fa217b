"""Replay and memory joined: whatever is published while a client catches up, it gets every event once, in order."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shifts_api.feed.event import Event
from shifts_api.feed.window import ClientPosition, EventWindow, Replay

MAX_EVENTS, PAGE = 6, 3
KINDS = ("a", "b")


def _event(event_id: int, kind: str) -> Event:
    return Event(event_id, kind, datetime(2018, 5, 28, tzinfo=UTC), None, [], None, None, None, {})


@dataclass
class Client:
    start: int
    kinds: frozenset[str]
    cursor: ClientPosition
    asked: Replay | None = None
    delivered: list[int] = field(default_factory=list)


class ReplayAndMemory(RuleBasedStateMachine):
    """The outbox, one window that follows it a page at a time, and clients at any point of their replay."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox: list[Event] = []
        self.window = EventWindow(0, MAX_EVENTS, 10**9)
        self.clients: list[Client] = []

    @rule(gap=st.integers(1, 3), kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
    def publish(self, gap: int, kinds: list[str]) -> None:
        for kind in kinds:
            newest = self.outbox[-1].event_id if self.outbox else 0
            self.outbox.append(_event(newest + gap, kind))

    @rule()
    def take_in(self) -> None:
        if page := [event for event in self.outbox if event.event_id > self.window.last_id][:PAGE]:
            self.window.append(page)

    @rule(share=st.floats(0, 1), kinds=st.sets(st.sampled_from(KINDS), min_size=1))
    def connect(self, share: float, kinds: set[str]) -> None:
        start = round(share * self.window.last_id)
        self.clients.append(Client(start, frozenset(kinds), ClientPosition(start)))

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """A client reads from memory, asks for a page of the past, or gets the page it asked for before."""
        if not self.clients:
            return
        client = data.draw(st.sampled_from(self.clients))
        cursor = client.cursor
        if client.asked is not None:
            page = [
                event
                for event in self.outbox
                if client.asked.after < event.event_id <= client.asked.through and event.type in client.kinds
            ][:PAGE]
            events = cursor.from_outbox(client.asked, page, is_full=len(page) == PAGE)
            client.asked = None
        elif cursor.is_covered(self.window):
            events = cursor.from_memory(self.window, PAGE)
        elif cursor.is_dropped:
            self.clients.remove(client)
            self.clients.append(Client(cursor.event_id, client.kinds, ClientPosition(cursor.event_id)))
            return
        else:
            client.asked = cursor.next_replay(self.window)
            return
        client.delivered += [event.event_id for event in events if event.type in client.kinds]

    @invariant()
    def every_event_up_to_the_position_was_delivered_once_in_order(self) -> None:
        for client in self.clients:
            assert client.delivered == [
                event.event_id
                for event in self.outbox
                if client.start < event.event_id <= client.cursor.event_id and event.type in client.kinds
            ]


ReplayAndMemory.TestCase.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, derandomize=True
)
test_every_event_is_delivered_once_in_order = ReplayAndMemory.TestCase


def test_a_page_never_reaches_beyond_the_end_it_was_asked_with() -> None:
    window = EventWindow(0, MAX_EVENTS, 10**9)
    window.append([_event(number, "a") for number in range(1, 11)])
    cursor = ClientPosition(0)
    replay = cursor.next_replay(window)
    late = [_event(number, "a") for number in range(9, 13)]
    assert [event.event_id for event in cursor.from_outbox(replay, late, is_full=False)] == [9, 10]
    assert cursor.event_id == replay.through == 10
