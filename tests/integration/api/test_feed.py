"""The feed: each client receives every event once and in order, whatever happens to others or to the service."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.integration.api.running import (
    ReceivedEvent,
    Service,
    last_id,
    listening,
    publish,
    running,
    wait_until,
)


def _messages(events: Iterator[ReceivedEvent], count: int) -> list[str]:
    return [event.data["message"] for event in islice(events, count)]


def _publish_many(outbox: psycopg.Connection, first: int, last: int) -> None:
    for number in range(first, last):
        publish(outbox, "file.progress", task_ids=("many",), message=str(number))


def test_an_event_has_exactly_the_fields_that_apply(service: Service, outbox: psycopg.Connection) -> None:
    with listening(service) as events:
        publish(
            outbox,
            "file.loaded",
            task_ids=("t1",),
            run_id="r1",
            message='two\nlines, "quoted" — ünïcode',
            details={"rows_loaded": 186, "run_id": "no detail hides a field"},
        )
        outbox.execute("SELECT shifts_feed.publish('run.queued', 'r2', '{t1,t2}', NULL, NULL, NULL)")
        first, second = islice(events, 2)
    assert first.data.pop("time").endswith("+00:00")
    assert first.data == {
        "run_id": "r1",
        "task_id": "t1",
        "task_ids": ["t1"],
        "asset": "raw_trips",
        "partition": "a.csv",
        "message": 'two\nlines, "quoted" — ünïcode',
        "rows_loaded": 186,
        "url": "http://127.0.0.1:3000/runs/r1",
    }
    assert (second.type, sorted(second.data)) == ("run.queued", ["run_id", "task_ids", "time", "url"])
    assert second.event_id > first.event_id


@pytest.mark.parametrize(
    ("filters", "accepted"),
    [
        ({}, ["a", "b", "c", "d"]),
        ({"task_id": "t1"}, ["a", "c"]),
        ({"run_id": "r2"}, ["b", "c"]),
        ({"types": "file.failed,file.progress"}, ["b", "d"]),
        ({"task_id": "t1", "run_id": "r2", "types": "file.loaded"}, ["c"]),
    ],
)
@pytest.mark.parametrize("resumed", [False, True], ids=["live", "resumed"])
def test_filters_apply_to_live_and_resumed_streams(
    service: Service,
    outbox: psycopg.Connection,
    filters: dict[str, str],
    accepted: list[str],
    *,
    resumed: bool,
) -> None:
    after = last_id(outbox) if resumed else None
    with ExitStack() as stack:
        if not resumed:
            events = stack.enter_context(listening(service, None, **filters))
        publish(outbox, "file.loaded", task_ids=("t1",), run_id="r1", message="a")
        publish(outbox, "file.progress", task_ids=("t2",), run_id="r2", message="b")
        publish(outbox, "file.loaded", task_ids=("t1", "t2"), run_id="r2", message="c")
        publish(outbox, "file.failed", task_ids=("t3",), run_id="r3", message="d")
        if resumed:
            events = stack.enter_context(listening(service, after, **filters))
        assert _messages(events, len(accepted)) == accepted


def test_a_task_filter_matches_events_of_several_tasks(service: Service, outbox: psycopg.Connection) -> None:
    with listening(service, task_id="t8") as events, listening(service) as others:
        publish(outbox, "run.started", task_ids=("t7", "t8"))
        assert next(events).data["task_id"] == "t8"
        assert "task_id" not in next(others).data


@pytest.mark.parametrize("distance", [0, 1, 700, 6_000], ids=["now", "one", "in memory", "long gone"])
def test_a_resumed_client_receives_each_event_once(
    service: Service, outbox: psycopg.Connection, distance: int
) -> None:
    start = last_id(outbox)
    outbox.execute(
        "INSERT INTO shifts_feed.events (type, message) SELECT 'run.queued', n::text FROM generate_series(1, %s) n",
        [distance],
    )
    # Events published while it catches up would be lost or duplicated by a wrong hand-over to memory.
    publish(outbox, "file.progress", message=str(distance + 1))
    wait_until(lambda: service.metric("shifts_feed_events_received_total") >= 1, 10)
    with listening(service, start) as events:
        _publish_many(outbox, distance + 2, distance + 102)
        assert _messages(events, distance + 101) == [str(n) for n in range(1, distance + 102)]


def test_a_restart_loses_nothing_for_clients_that_resume(
    service: Service, outbox: psycopg.Connection
) -> None:
    with listening(service) as events:
        _publish_many(outbox, 0, 5)
        last = list(islice(events, 5))[-1]
        service.stop(signal.SIGKILL)
    _publish_many(outbox, 5, 10)
    service.start()
    with listening(service, last.event_id) as events:
        _publish_many(outbox, 10, 15)
        assert _messages(events, 10) == [str(number) for number in range(5, 15)]


def test_no_event_is_lost_when_the_listening_connection_is_killed(
    service: Service, outbox: psycopg.Connection
) -> None:
    with listening(service) as events:
        publish(outbox, "file.progress", message="before")
        assert next(events).data["message"] == "before"
        outbox.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shifts_api feed'"
        )
        _publish_many(outbox, 0, 10)
        assert _messages(events, 10) == [str(number) for number in range(10)]


def test_several_services_deliver_the_same_events(
    service: Service, outbox: psycopg.Connection, tmp_path: Path
) -> None:
    other = Service(
        service.database_url, service.dagster_database_url, service.landing, tmp_path / "other.log"
    )
    with running(other), listening(service) as here, listening(other) as there:
        _publish_many(outbox, 0, 30)
        assert list(islice(here, 30)) == list(islice(there, 30))


def test_an_id_beyond_the_outbox_resumes_with_new_events(
    service: Service, outbox: psycopg.Connection
) -> None:
    with listening(service, 10**15) as events:
        wait_until(lambda: service.metric("shifts_feed_clients") == 1, 10)
        publish(outbox, "file.progress", message="new")
        assert next(events).data["message"] == "new"


@pytest.mark.parametrize(
    ("parameters", "headers"),
    [
        ({"types": "file.unknown"}, {}),
        ({"types": "file.loaded,"}, {}),
        ({"types": ""}, {}),
        ({"task_id": "x" * 101}, {}),
        ({}, {"Last-Event-ID": "-1"}),
        ({}, {"Last-Event-ID": "1.5"}),
        ({}, {"Last-Event-ID": "9" * 19}),
        ({}, {"Last-Event-ID": "x"}),
    ],
)
def test_an_invalid_filter_or_id_is_refused(
    client: httpx.Client, parameters: dict[str, str], headers: dict[str, str]
) -> None:
    response = client.get("/events", params=parameters, headers=headers)
    assert response.status_code == 400
    assert list(response.json()) == ["message"]


def test_a_stalled_client_is_dropped_and_the_others_continue(
    service: Service, outbox: psycopg.Connection
) -> None:
    nothing = {"types": "check.failed"}
    with (
        socket.socket() as mute,
        listening(service) as events,
        httpx.stream("GET", f"{service.api}/events", params=nothing, timeout=20) as quiet,
    ):
        lines = quiet.iter_lines()
        assert [next(lines), next(lines)] == [": connected", ""]
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.connect(("127.0.0.1", service.port))
        mute.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: service.metric("shifts_feed_clients") == 3, 10)
        for _ in range(20):
            # More than all buffers in between hold, and no faster than the other client reads.
            publish(outbox, "file.progress", details={"text": "x" * 1_000_000})
            assert len(next(events).data["text"]) == 1_000_000
        wait_until(lambda: service.metric("shifts_feed_clients") == 2, 30)
        publish(outbox, "file.progress", message="and on")
        assert next(events).data["message"] == "and on"
        # A comment keeps proxies from closing an idle stream.
        assert next(lines).startswith(": ")
    assert "dropped" in [line.get("outcome") for line in service.log_lines]
