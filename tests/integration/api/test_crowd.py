"""The feed with a crowd of clients: all hear everything once, in little memory, over one connection."""

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
OF_A_FILE = ("run.queued", "run.started", "file.progress", "file.loaded", "run.succeeded")
FILES = 20
EVENTS = FILES * len(OF_A_FILE)


@contextmanager
def _crowd(service: Service, clients: int, mute: int) -> Iterator[Callable[[], Any]]:
    """A crowd that listens; yields what returns its notes when all have heard of all files."""
    order = {"port": service.port, "clients": clients, "mute": mute, "events": EVENTS, "seconds": 120}
    with subprocess.Popen(
        [sys.executable, CROWD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as crowd:
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        notes = crowd.stdout
        crowd.stdin.write(json.dumps(order) + "\n")
        crowd.stdin.flush()
        assert notes.readline() == "all are listening\n"
        yield lambda: json.loads(notes.readline())


def _load(outbox: psycopg.Connection, files: range) -> None:
    """Tells of files that come one after the other, as the pipeline loads them."""
    for file in files:
        for type_ in OF_A_FILE:
            publish(outbox, type_, task_ids=(f"t{file}",), run_id=f"r{file}", message=f"file {file}")
        outbox.execute("SELECT pg_sleep(0.1)")


def test_2000_clients_and_50_that_never_read_hear_every_event_once_over_one_connection(
    service: Service, outbox: psycopg.Connection, record_testsuite_property: Callable[[str, object], None]
) -> None:
    start = last_id(outbox)
    with _crowd(service, clients=2_000, mute=50) as notes:
        _load(outbox, range(FILES))
        noted = notes()
        connections = outbox.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shifts_api feed'"
        ).fetchone()
        memory = service.memory
    record_testsuite_property("feed of 2000, p95 from publication to client, s", noted["p95_s"])
    record_testsuite_property("feed of 2000, memory, MiB", memory // 1024**2)
    assert noted["heard"] == [[list(range(start + 1, start + 1 + EVENTS)), 2_000]]
    assert connections == (1,)
    assert memory < 400 * 1024**2
    wait_until(lambda: service.metric("shifts_feed_clients") == 0, 20)


def test_a_crowd_misses_nothing_when_the_service_is_killed_and_started_again(
    service: Service, outbox: psycopg.Connection
) -> None:
    start = last_id(outbox)
    sent = service.metric("shifts_feed_events_delivered_total")
    with _crowd(service, clients=300, mute=0) as notes:
        _load(outbox, range(10))
        # Every client has heard something by then and can resume.
        wait_until(
            lambda: service.metric("shifts_feed_events_delivered_total") == sent + 300 * EVENTS // 2, 60
        )
        service.stop(signal.SIGKILL)
        _load(outbox, range(10, FILES))
        service.start()
        assert notes()["heard"] == [[list(range(start + 1, start + 1 + EVENTS)), 300]]
