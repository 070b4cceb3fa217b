"""The feed with thousands of clients: each receives every event once, in little memory, over one connection."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.integration.api.running import Service, last_id, publish, wait_until

CROWD = Path(__file__).with_name("crowd.py")
FILE_EVENTS = ("run.queued", "run.started", "file.progress", "file.loaded", "run.succeeded")
FILES = 20
EVENTS = FILES * len(FILE_EVENTS)


@contextmanager
def _crowd(service: Service, clients: int, stalled: int) -> Iterator[Callable[[], Any]]:
    """Starts the clients; yields a function that returns their record when all have received every event."""
    options = {"port": service.port, "clients": clients, "stalled": stalled, "events": EVENTS, "seconds": 120}
    with subprocess.Popen(
        [sys.executable, CROWD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as crowd:
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        output = crowd.stdout
        crowd.stdin.write(json.dumps(options) + "\n")
        crowd.stdin.flush()
        assert output.readline() == "all are connected\n"
        yield lambda: json.loads(output.readline())


def _publish_files(outbox: psycopg.Connection, files: range) -> None:
    """Publishes the events of files that are loaded one after another."""
    for file in files:
        for type_ in FILE_EVENTS:
            publish(outbox, type_, task_ids=(f"t{file}",), run_id=f"r{file}", message=f"file {file}")
        outbox.execute("SELECT pg_sleep(0.1)")


def test_2000_clients_and_50_stalled_ones_share_one_connection(
    service: Service, outbox: psycopg.Connection, record_testsuite_property: Callable[[str, object], None]
) -> None:
    start = last_id(outbox)
    with _crowd(service, clients=2_000, stalled=50) as records:
        _publish_files(outbox, range(FILES))
        record = records()
        connections = outbox.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shifts_api feed'"
        ).fetchone()
        memory = service.memory
    record_testsuite_property("feed of 2000, p95 from publication to client, s", record["p95_s"])
    record_testsuite_property("feed of 2000, memory, MiB", memory // 1024**2)
    assert record["received"] == [[list(range(start + 1, start + 1 + EVENTS)), 2_000]]
    assert connections == (1,)
    assert memory < 400 * 1024**2
    wait_until(lambda: service.metric("shifts_feed_clients") == 0, 20)


def test_clients_lose_no_event_when_the_service_is_killed_and_restarted(
    service: Service, outbox: psycopg.Connection
) -> None:
    start = last_id(outbox)
    delivered = service.metric("shifts_feed_events_delivered_total")
    with _crowd(service, clients=300, stalled=0) as records:
        _publish_files(outbox, range(10))
        # Every client has received an event by then and can resume.
        wait_until(
            lambda: service.metric("shifts_feed_events_delivered_total") == delivered + 300 * EVENTS // 2, 60
        )
        service.stop(signal.SIGKILL)
        _publish_files(outbox, range(10, FILES))
        service.start()
        assert records()["received"] == [[list(range(start + 1, start + 1 + EVENTS)), 300]]
