"""Clients of the feed: permanent, slow and interrupted ones that resume by id, and ones that replay."""

import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx

from tests.soak.platform import SoakPlatform
from tests.soak.report import Report

TERMINAL = ("file.loaded", "file.failed")
_SILENCE_S = 45
"""The API sends a comment every 15 seconds."""
_MISSING_SHOWN = 20


@dataclass(frozen=True)
class Received:
    """An event as a client received it."""

    event_id: int
    type: str
    data: dict[str, Any]


def read_events(lines: Iterator[str]) -> Iterator[Received | None]:
    """Server-sent events; None for a comment. Incomplete events are dropped."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            yield None
        elif line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            yield Received(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


def last_event_id(platform: SoakPlatform) -> int:
    """The newest event of the outbox."""
    return int(platform.query_dagster("SELECT coalesce(max(event_id), 0) FROM shifts_feed.events")[0][0])


def expected_ids(platform: SoakPlatform, after: int, up_to: int, types: tuple[str, ...]) -> list[int]:
    """The outbox's events for a filter, in order; no types means all types."""
    rows = platform.query_dagster(
        "SELECT event_id FROM shifts_feed.events WHERE event_id > %s AND event_id <= %s"
        " AND (%s::text[] IS NULL OR type = ANY (%s)) ORDER BY event_id",
        [after, up_to, list(types) or None, list(types)],
    )
    return [row[0] for row in rows]


def compare(report: Report, who: str, received: list[int], expected: list[int]) -> None:
    """Checks that every event occurs once, in ascending order."""
    if received != expected:
        missing, more = set(expected) - set(received), set(received) - set(expected)
        report.finding(
            "a listener did not see each event once in order",
            listener=who,
            received=len(received),
            expected=len(expected),
            missing=sorted(missing)[:_MISSING_SHOWN],
            unexpected=sorted(more)[:_MISSING_SHOWN],
            doubled=len(received) - len(set(received)),
            falling=sum(later <= earlier for earlier, later in pairwise(received)),
        )
    report.check("events that a listener saw exactly once", len(expected))


class Listener(threading.Thread):
    """A client of `GET /events` that runs as long as the soak and resumes with its last id."""

    def __init__(
        self,
        name: str,
        platform: SoakPlatform,
        types: tuple[str, ...],
        rng: random.Random,
        report: Report,
        *,
        stays_s: float,
        pauses_s: float,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._platform, self._types, self._rng, self._report = platform, types, rng, report
        self._stays_s, self._pauses_s = stays_s, pauses_s
        self._begun_after = last_event_id(platform)
        self._up_to: int | None = None
        self._give_up_at = float("inf")
        self.ids: list[int] = []
        self.connections = 0

    def run(self) -> None:
        """Listens until it has received all events up to the id given to `finish`."""
        while not self._is_done():
            try:
                self._connect()
            except (httpx.TransportError, httpx.HTTPStatusError):
                time.sleep(self._rng.uniform(0.1, 1.5))

    def finish(self, up_to: int, *, timeout_s: float) -> None:
        """Waits until it has read up to an event and compares the received events with the outbox."""
        expected = expected_ids(self._platform, self._begun_after, up_to, self._types)
        self._give_up_at = time.monotonic() + timeout_s
        self._up_to = expected[-1] if expected else self._begun_after
        self.join(timeout_s + _SILENCE_S + 15)
        compare(self._report, self.name, [seen for seen in self.ids if seen <= up_to], expected)
        self._report.note("listener", name=self.name, connections=self.connections, events=len(self.ids))

    def _is_done(self) -> bool:
        if time.monotonic() > self._give_up_at:
            return True
        return self._up_to is not None and (self.ids[-1] if self.ids else self._begun_after) >= self._up_to

    def _connect(self) -> None:
        last = self.ids[-1] if self.ids else self._begun_after
        leave_at = time.monotonic() + self._rng.uniform(0.2, 2) * self._stays_s
        with httpx.stream(
            "GET",
            f"{self._platform.api}/api/v1/events",
            params={"types": ",".join(self._types)} if self._types else {},
            headers={"Last-Event-ID": str(last)},
            timeout=httpx.Timeout(20, read=_SILENCE_S),
        ) as stream:
            stream.raise_for_status()
            self.connections += 1
            for event in read_events(stream.iter_lines()):
                if event is not None:
                    self.ids.append(event.event_id)
                    if self._pauses_s and self._up_to is None:
                        time.sleep(self._rng.uniform(0, 2) * self._pauses_s)
                if self._is_done() or time.monotonic() > leave_at:
                    return


class Replays:
    """Clients that connect once with a random past id and read up to the event that is the newest at that time."""

    def __init__(self, platform: SoakPlatform, rng: random.Random, report: Report) -> None:
        self._platform, self._rng, self._report = platform, rng, report

    def replay(self) -> None:
        """Runs one such client and compares its events with the outbox."""
        newest = last_event_id(self._platform)
        after = 0 if self._rng.random() < 0.4 else self._rng.randint(0, newest)
        expected = expected_ids(self._platform, after, newest, ())
        if not expected:
            return
        received: list[int] = []
        try:
            with httpx.stream(
                "GET",
                f"{self._platform.api}/api/v1/events",
                headers={"Last-Event-ID": str(after)},
                timeout=httpx.Timeout(20, read=_SILENCE_S),
            ) as stream:
                stream.raise_for_status()
                for event in read_events(stream.iter_lines()):
                    if event is not None:
                        received.append(event.event_id)
                    if received and received[-1] >= newest:
                        break
        except (httpx.TransportError, httpx.HTTPStatusError):
            pass
        # Events before a broken connection must be complete, too.
        reached = max(received, default=after)
        expected = [wanted for wanted in expected if wanted <= reached]
        compare(
            self._report, f"replay after {after}", [seen for seen in received if seen <= newest], expected
        )
        self._report.action("replay events", after=after, events=len(received))
