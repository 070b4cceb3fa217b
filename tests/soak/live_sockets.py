"""Clients of `/trips/live`, the WebSocket of the original service."""

import json
import random
import threading
import time
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.soak.listeners import TERMINAL
from tests.soak.platform import SoakPlatform
from tests.soak.report import Report

_SHOWN = 20


class WebSocketListener(threading.Thread):
    """A client of `/trips/live`; it cannot resume, so each of its connections is compared separately."""

    def __init__(self, name: str, platform: SoakPlatform, rng: random.Random, *, stays_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self._platform, self._rng, self._stays_s = platform, rng, stays_s
        self._ended = threading.Event()
        self._connections: list[list[tuple[str | None, str, str]]] = []

    def run(self) -> None:
        """Listens until `finish`, with reconnects."""
        while not self._ended.is_set():
            try:
                self._connect()
            except (OSError, WebSocketException, TimeoutError):
                time.sleep(self._rng.uniform(0.1, 1.5))

    def finish(self, report: Report) -> None:
        """Checks that each connection received a part of the outbox without gaps."""
        self._ended.set()
        self.join(60)
        told = [
            (row[0], "DONE" if row[1] == TERMINAL[0] else "FAILED", row[2] or "")
            for row in self._platform.query_dagster(
                "SELECT task_ids[1], type, message FROM shifts_feed.events WHERE type = ANY (%s) ORDER BY event_id",
                [list(TERMINAL)],
            )
        ]
        for received in self._connections:
            if not _is_part(received, told):
                report.finding(
                    "a WebSocket did not see each notification once in order",
                    listener=self.name,
                    received=received[:_SHOWN],
                    unknown=[message for message in received if message not in told][:_SHOWN],
                )
            report.check("notifications of WebSockets", len(received))

    def _connect(self) -> None:
        url = self._platform.api.replace("http", "ws", 1) + "/api/v1/trips/live"
        leave_at = time.monotonic() + self._rng.uniform(0.2, 2) * self._stays_s
        with connect(url, open_timeout=20, close_timeout=5, ping_interval=None) as socket:
            received: list[tuple[str | None, str, str]] = []
            self._connections.append(received)
            while time.monotonic() < leave_at and not self._ended.is_set():
                try:
                    message = json.loads(socket.recv(timeout=2))
                except TimeoutError:
                    continue
                if message["type"] == "ping":
                    socket.send(json.dumps({"type": "pong"}))
                elif message["type"] == "notification":
                    data = json.loads(message["data"])
                    received.append((data["task_id"], data["status"], data["message"]))


def _is_part(part: list[Any], whole: list[Any]) -> bool:
    return not part or any(
        whole[begin : begin + len(part)] == part for begin, first in enumerate(whole) if first == part[0]
    )
