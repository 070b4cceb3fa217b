"""Asks the API for random boxes while a platform works, and keeps each answer's time with the platform's state."""

import http.client
import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlencode

import numpy as np

from bench.stats_boxes import BoxQuery

_PAUSE_S = 0.05
MODES = ("both", "origin", "destination", "any")


@dataclass
class Asked:
    """Answers in one state."""

    seconds: list[float] = field(default_factory=list)
    not_ok: int = 0
    """Answers with another status than 200, without regions that are not loaded yet (400)."""

    def row(self, state: str) -> str:
        """A row of the table."""
        if not self.seconds:
            return f"| {state} | 0 | | | | {self.not_ok} |"
        p50, p95 = np.quantile(self.seconds, [0.5, 0.95])
        figures = " | ".join(f"{1000 * figure:,.0f} ms" for figure in (p50, p95, max(self.seconds)))
        return f"| {state} | {len(self.seconds):,} | {figures} | {self.not_ok} |"


class AskedBoxes:
    """One client that asks in all four modes, from entry to exit."""

    def __init__(self, port: int, boxes: list[BoxQuery], state: str) -> None:
        self._port = port
        self._boxes = boxes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask_all, daemon=True)
        self.state = state
        self.by_state: dict[str, Asked] = {}

    def __enter__(self) -> "AskedBoxes":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _ask_all(self) -> None:
        for box, mode in itertools.cycle(itertools.product(self._boxes, MODES)):
            if self._stop.wait(_PAUSE_S):
                return
            asked = self.by_state.setdefault(self.state, Asked())
            begun = time.perf_counter()
            status = ask(self._port, box, mode)[0]
            if status == http.client.OK:
                asked.seconds.append(time.perf_counter() - begun)
            elif status != http.client.BAD_REQUEST:
                asked.not_ok += 1


def ask(port: int, box: BoxQuery, mode: str) -> tuple[int, dict[str, int]]:
    """The status and the trips by Monday of a box, on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        query = urlencode({"region": box.region, "bbox": box.bbox, "match": mode})
        connection.request("GET", f"/api/v1/trips/weekly?{query}")
        answer = connection.getresponse()
        body = json.loads(answer.read())
    finally:
        connection.close()
    series = body.get("series", []) if answer.status == http.client.OK else []
    return answer.status, {item["monday"]: item["trips"] for item in series if item["trips"]}
