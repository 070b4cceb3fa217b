"""Replay and memory joined: a client that catches up receives every event once and in order."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shifts_api.feed.event import Event
from shifts_api.feed.window import ClientPosition, EventWindow

MAX_EVENTS, PAGE = 6, 3
KINDS = ("a", "b")


def _event(event_id: int, kind: str) -> Event:
    return Event(event_id, kind, datetime(2018, 5, 28, tzinfo=UTC), None, [], None, None, None, {})


@dataclass
class Client:
    start: int
    kinds: frozenset[str]
    position: ClientPosition
    reads_through: int | None = None
    """The end of the range that it is reading from the outbox."""
    delivered: list[int] = field(default_factory=list)


class ReplayAndMemory(RuleBasedStateMachine):
    """The outbox, one window that follows it page by page, and clients at any point of their replay."""

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
    def receive(self) -> None:
        if page := [event for event in self.outbox if event.event_id > self.window.last_id][:PAGE]:
            self.window.append(page)

    @rule(share=st.floats(0, 1), kinds=st.sets(st.sampled_from(KINDS), min_size=1))
    def connect(self, share: float, kinds: set[str]) -> None:
        start = round(share * self.window.last_id)
        self.clients.append(Client(start, frozenset(kinds), ClientPosition(start)))

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """A client reads from memory, begins to read a range of the outbox, or receives the page."""
        if not self.clients:
            return
        client = data.draw(st.sampled_from(self.clients))
        position = client.position
        if (through := client.reads_through) is not None:
            page = [
                event
                for event in self.outbox
                if position.event_id < event.event_id <= through and event.type in client.kinds
            ][:PAGE]
            events = position.from_outbox(page, through, is_full=len(page) == PAGE)
            client.reads_through = None
        elif position.is_covered(self.window):
            events = position.from_memory(self.window, PAGE)
        elif position.is_dropped:
            self.clients.remove(client)
            self.clients.append(Client(position.event_id, client.kinds, ClientPosition(position.event_id)))
            return
        else:
            client.reads_through = self.window.last_id
            return
        client.delivered += [event.event_id for event in events if event.type in client.kinds]

    @invariant()
    def every_event_up_to_the_position_was_delivered_once_in_order(self) -> None:
        for client in self.clients:
            assert client.delivered == [
                event.event_id
                for event in self.outbox
                if client.start < event.event_id <= client.position.event_id and event.type in client.kinds
            ]


ReplayAndMemory.TestCase.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, derandomize=True
)
test_every_event_is_delivered_once_in_order = ReplayAndMemory.TestCase


def test_a_page_never_advances_beyond_its_range() -> None:
    window = EventWindow(0, MAX_EVENTS, 10**9)
    window.append([_event(number, "a") for number in range(1, 11)])
    position = ClientPosition(0)
    through = window.last_id
    late = [_event(number, "a") for number in range(9, 13)]
    assert [event.event_id for event in position.from_outbox(late, through, is_full=False)] == [9, 10]
    assert position.event_id == through == 10
