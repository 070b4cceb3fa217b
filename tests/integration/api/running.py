"""The real service as a separate process, and clients of its feed."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from psycopg.types.json import Jsonb

from shifts_platform.ports import free_port
from tests.integration.api.forked import ForkedService


@dataclass
class Service:
    """The service on a free port, in a process of its own."""

    database_url: str
    dagster_database_url: str
    landing: Path
    log: Path
    more: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: ForkedService | subprocess.Popen[bytes] | None = None

    def start(self) -> "Service":
        """Starts and waits until it is ready. A restart listens on the same port."""
        self.port = self.port or free_port()
        environment = {
            **os.environ,
            "SHIFTS_DATABASE_URL": self.database_url,
            "SHIFTS_DAGSTER_DATABASE_URL": self.dagster_database_url,
            "SHIFTS_LANDING_URL": str(self.landing),
            "SHIFTS_API_HOST": "127.0.0.1",
            "SHIFTS_API_PORT": str(self.port),
            **self.more,
        }
        self.process = self._spawn(environment)
        wait_until(self._is_ready, 30)
        return self

    def _spawn(self, environment: dict[str, str]) -> "ForkedService | subprocess.Popen[bytes]":
        return ForkedService(environment, self.log)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.root}/ready").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Stops it and returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.wait(10)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        return f"{self.root}/api/v1"

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def memory(self) -> int:
        """Resident memory of the process in bytes."""
        assert self.process is not None
        return psutil.Process(self.process.pid).memory_info().rss

    def metric(self, name: str) -> float:
        """The value of a metric with this name and labels."""
        for line in httpx.get(f"{self.root}/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        raise LookupError(name)


@contextmanager
def running(service: Service) -> Iterator[Service]:
    try:
        yield service.start()
    finally:
        service.stop()


def wait_until(happened: Any, seconds: float) -> None:
    """Waits for an effect of another process."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@dataclass(frozen=True)
class ReceivedEvent:
    """An event as a client received it."""

    event_id: int
    type: str
    data: dict[str, Any]


def read_events(lines: Iterator[str]) -> Iterator[ReceivedEvent]:
    """Parses server-sent events: fields up to an empty line, without comments."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield ReceivedEvent(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


@contextmanager
def listening(
    service: Service, after: int | None = None, **filters: str
) -> Iterator[Iterator[ReceivedEvent]]:
    """A client of the feed that is known to be connected."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with httpx.stream(
        "GET", f"{service.api}/events", params=filters, headers=headers, timeout=20
    ) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        assert next(lines).startswith(":")
        yield read_events(lines)


def publish(
    connection: psycopg.Connection,
    type_: str,
    *,
    task_ids: tuple[str, ...] = (),
    run_id: str | None = None,
    message: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Publishes an event as the pipeline does."""
    connection.execute(
        "SELECT shifts_feed.publish(%s, %s, %s, 'raw_trips', 'a.csv', %s, %s)",
        [type_, run_id, list(task_ids), message, Jsonb(details or {})],
    )


def last_id(outbox: psycopg.Connection) -> int:
    """The newest event's id."""
    row = outbox.execute("SELECT coalesce(max(event_id), 0) FROM shifts_feed.events").fetchone()
    assert row is not None
    return int(row[0])


TRIP: dict[str, Any] = {
    "region": "Turin",
    "origin": [7.6824, 45.0703],
    "destination": [7.6615, 45.0316],
    "timestamp": "2018-05-28 09:03:40",
    "source": "funny_car",
}


def trip(**changes: Any) -> dict[str, Any]:
    return {**TRIP, **changes}


def posted(*trips: dict[str, Any]) -> dict[str, Any]:
    return {"data_type": "json", "data": list(trips)}
