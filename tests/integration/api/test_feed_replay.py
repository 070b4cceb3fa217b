"""Clients that resume from far behind while events are published receive each event once and in order."""

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.integration.api.running import Service, last_id, listening, publish, wait_until

PAST = 8_000
_TAIL = 8_192
"""Bytes in which the newest event received begins."""
CLIENTS = 20
# All but the first accept so few old events that one page reaches the newest event.
FILTERS: list[tuple[dict[str, str], str]] = [
    ({}, "true"),
    ({"task_id": "t1"}, "'t1' = ANY (task_ids)"),
    ({"run_id": "r1"}, "run_id = 'r1'"),
    ({"types": "file.loaded,check.failed"}, "type IN ('file.loaded', 'check.failed')"),
    ({"task_id": "t1", "types": "file.loaded"}, "'t1' = ANY (task_ids) AND type = 'file.loaded'"),
]
TYPES = ["file.loaded", "check.failed", *["file.progress"] * 18]
_ID = re.compile(rb"^id: (\d+)\r?$", re.MULTILINE)


@pytest.fixture(scope="module")
def past(service: Service, dagster_database_url: str) -> int:
    """The id after which the old events begin; the memory of the running service holds about half of them."""
    with psycopg.connect(dagster_database_url, autocommit=True) as connection:
        start = last_id(connection)
        connection.execute(
            """
            INSERT INTO shifts_feed.events (type, run_id, task_ids)
            SELECT (%s::text[])[1 + mod(n, 20)], 'r' || mod(n, 18), ARRAY['t' || mod(n, 19)]
            FROM generate_series(1, %s) n
            """,
            [TYPES, PAST],
        )
        publish(connection, "run.queued")
    wait_until(lambda: service.metric("shifts_feed_events_received_total") > PAST, 30)
    return start


class _Publisher:
    """Publishes one event after another until it is stopped; every filter accepts the last one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self.last_id = 0

    def __enter__(self) -> "_Publisher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _publish(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            number = 0
            while not self._ended.is_set():
                tasks = (f"t{number % 19}",)
                publish(connection, TYPES[number % 20], run_id=f"r{number % 18}", task_ids=tasks)
                number += 1
            publish(connection, "file.loaded", run_id="r1", task_ids=("t1",))
            self.last_id = last_id(connection)


class _Client:
    """Resumes after an id and keeps the ids it receives up to the last one."""

    def __init__(
        self, service: Service, after: int, filters: Mapping[str, str], publisher: _Publisher
    ) -> None:
        self._service = service
        self._after = after
        self._filters = filters
        self._publisher = publisher
        self.ids: list[int] = []

    def read(self) -> None:
        headers = {"Last-Event-ID": str(self._after)}
        url = f"{self._service.api}/events"
        with httpx.stream("GET", url, params=self._filters, headers=headers, timeout=60) as response:
            rest = b""
            for chunk in response.iter_bytes():
                whole, _, rest = (rest + chunk).rpartition(b"\r\n\r\n")
                self.ids += [int(found) for found in _ID.findall(whole)]
                if self.ids and self.ids[-1] == self._publisher.last_id:
                    return


def test_clients_that_resume_during_publishing_receive_each_event_once(
    service: Service, outbox: psycopg.Connection, dagster_database_url: str, past: int
) -> None:
    newest_before = last_id(outbox)
    with _Publisher(dagster_database_url) as publisher, ThreadPoolExecutor(CLIENTS) as threads:
        clients = [
            _Client(service, past, FILTERS[number % len(FILTERS)][0], publisher) for number in range(CLIENTS)
        ]
        done = [threads.submit(client.read) for client in clients]
        wait_until(lambda: all(client.ids and client.ids[-1] > newest_before for client in clients), 120)
        publisher.end()
        for future in done:
            future.result(60)
    assert publisher.last_id > newest_before + 1
    for number, client in enumerate(clients):
        condition = FILTERS[number % len(FILTERS)][1]
        expected = outbox.execute(
            f"SELECT event_id FROM shifts_feed.events WHERE event_id > %s AND {condition} ORDER BY event_id",
            [past],
        ).fetchall()
        assert client.ids == [event_id for (event_id,) in expected]


def _frames(connection: socket.socket) -> Iterator[bytes]:
    """The parts of an HTTP/1.0 answer until the server closes it."""
    while chunk := connection.recv(65_536):
        yield chunk


def test_a_dropped_client_resumes_and_receives_each_event_once(
    service: Service, outbox: psycopg.Connection, past: int
) -> None:
    dropped = service.metric("shifts_feed_clients_dropped_total")
    received = b""
    with socket.socket() as slow, listening(service) as others:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        slow.connect(("127.0.0.1", service.port))
        request = f"GET /api/v1/events HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: {past}\r\n\r\n"
        slow.sendall(request.encode())
        frames = _frames(slow)
        newest = last_id(outbox)
        while not (ids := _ID.findall(received, max(0, len(received) - _TAIL))) or int(ids[-1]) < newest:
            received += next(frames)
        for _ in range(30):
            # More than memory holds while it does not read; the others follow.
            publish(outbox, "file.progress", details={"text": "x" * 1_000_000})
            next(others)
        received += b"".join(frames)
    assert service.metric("shifts_feed_clients_dropped_total") == dropped + 1
    whole = received[: received.rindex(b"\r\n\r\n") + 4]
    ids = [int(found) for found in _ID.findall(whole)]
    publish(outbox, "file.loaded", message="after")
    with listening(service, ids[-1]) as rest:
        while ids[-1] < last_id(outbox):
            ids.append(next(rest).event_id)
    expected = outbox.execute(
        "SELECT event_id FROM shifts_feed.events WHERE event_id > %s ORDER BY event_id", [past]
    ).fetchall()
    assert ids == [event_id for (event_id,) in expected]
