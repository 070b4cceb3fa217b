"""The original service's WebSocket, with a client written like the original ones."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.integration.api.running import Service, publish, wait_until


def _connect(service: Service) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{service.port}/api/v1/trips/live")


def _next_notification(client: ClientConnection) -> dict[str, Any]:
    """An original client: answers pings and parses the text inside a notification."""
    while True:
        message = json.loads(client.recv(timeout=20))
        if message == {"type": "ping"}:
            client.send(json.dumps({"type": "pong"}))
            continue
        assert list(message) == ["type", "data"]
        assert message["type"] == "notification"
        inner: dict[str, Any] = json.loads(message["data"])
        return inner


def test_every_client_gets_every_notification(service: Service, outbox: psycopg.Connection) -> None:
    expected = [
        {
            "task_id": f"t{number}",
            "status": "FAILED" if number % 5 == 0 else "DONE",
            "message": f'file "{number}"\n done',
        }
        for number in range(20)
    ]
    with ExitStack() as stack, ThreadPoolExecutor() as readers:
        clients = [stack.enter_context(_connect(service)) for _ in range(3)]
        wait_until(lambda: service.metric("shifts_feed_clients") == 3, 10)
        publish(outbox, "run.started", task_ids=("t0",), message="not a file's end")
        publish(outbox, "file.progress", task_ids=("t0",), message="nor this")
        for notification in expected:
            type_ = "file.loaded" if notification["status"] == "DONE" else "file.failed"
            publish(outbox, type_, task_ids=(notification["task_id"],), message=notification["message"])
        received = readers.map(lambda client: [_next_notification(client) for _ in range(20)], clients)
        assert list(received) == [expected] * 3
    wait_until(lambda: service.metric("shifts_feed_clients") == 0, 10)


@pytest.mark.parametrize(
    "said", ['{"type": "pong"}', "not json", "[" * 50_000, '"ping"', "{}", b"\xff\xfe", '{"type": ["ping"]}']
)
def test_malformed_messages_do_not_stop_notifications(
    service: Service, outbox: psycopg.Connection, said: str | bytes
) -> None:
    with _connect(service) as client:
        client.send(said)
        client.send('{"type": "ping"}')
        assert json.loads(client.recv(timeout=10)) == {"type": "pong"}
        wait_until(lambda: service.metric("shifts_feed_clients") >= 1, 10)
        publish(outbox, "file.loaded", task_ids=("still",))
        assert _next_notification(client) == {"task_id": "still", "status": "DONE", "message": ""}


def test_an_oversized_message_closes_only_its_own_connection(
    service: Service, outbox: psycopg.Connection
) -> None:
    with _connect(service) as modest, _connect(service) as greedy:
        wait_until(lambda: service.metric("shifts_feed_clients") == 2, 10)
        greedy.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed):
            greedy.recv(timeout=10)
        publish(outbox, "file.loaded", task_ids=("t1",), message="done")
        assert _next_notification(modest)["task_id"] == "t1"
