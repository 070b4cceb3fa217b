"""Events that a key may see, and messages that are withheld from keys for aggregates only."""

import json
from datetime import UTC, datetime

import pytest

from shifts_api.feed.event import Event, EventFilter
from shifts_core.access.rights import Rights

AT = datetime(2018, 5, 28, tzinfo=UTC)
TURIN = EventFilter(rights=Rights("reader", frozenset({"Turin"})))
AGGREGATES = EventFilter(rights=Rights("reader", aggregates_only=True))


def _event(type_: str = "file.loaded", task_ids: tuple[str, ...] = ("t1",), **details: object) -> Event:
    return Event(1, type_, AT, None, list(task_ids), None, None, "a message", details)


@pytest.mark.parametrize(
    ("regions", "is_seen"),
    [
        (["Turin"], True),
        (["Turin", "Milan"], False),
        (["Milan"], False),
        ([], False),
        (None, False),
        ("Turin", False),
        ({"Turin": 1}, False),
    ],
)
def test_a_key_of_a_region_sees_events_of_it_alone(regions: object, *, is_seen: bool) -> None:
    event = _event() if regions is None else _event(regions=regions)
    assert list(TURIN.choose([event])) == [event] * is_seen
    assert list(EventFilter().choose([event])) == [event]


@pytest.mark.parametrize("type_", ["file.failed", "run.failed", "check.failed"])
def test_reasons_of_failures_are_withheld_from_keys_for_aggregates(type_: str) -> None:
    event = _event(type_)
    assert b"a message" in event.frame_for(EventFilter())
    assert b"a message" not in event.frame_for(AGGREGATES)
    assert b'"task_id": "t1"' in event.frame_for(AGGREGATES)
    assert json.loads(json.loads(event.notification_for(AGGREGATES))["data"])["message"] == ""
    assert b"a message" in _event().frame_for(AGGREGATES)


def test_a_withheld_message_leaves_the_task_that_a_client_follows() -> None:
    event = _event("run.failed", ("t1", "t2"))
    frame = event.frame_for(EventFilter(task_id="t2", rights=AGGREGATES.rights))
    assert b'"task_id": "t2"' in frame
    assert b"a message" not in frame


@pytest.mark.parametrize("type_", ["file.loaded", "file.progress", "asset.materialized", "run.failed"])
def test_messages_and_numbers_are_withheld_from_requests_without_a_right_to_exact_counts(type_: str) -> None:
    counted = EventFilter(task_id="t2", rights=Rights("reader").with_min_count(10))
    event = _event(type_, ("t1", "t2"), rows=17, rows_loaded=17, status="loaded", file_id=7)
    data = json.loads(event.frame_for(counted).decode().split("data: ")[1])
    assert data.keys() == {"status", "file_id", "task_id", "task_ids", "time"}
    assert data["task_id"] == "t2"
    assert "a message" not in event.notification_for(counted)
    assert b"a message" in event.frame_for(EventFilter())
