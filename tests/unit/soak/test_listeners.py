"""What the soak's listeners report: an event that was lost, doubled or out of order, and nothing else."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.soak.check_runs import is_error_in_code
from tests.soak.listeners import Received, compare, read_events
from tests.soak.live_sockets import WebSocketListener
from tests.soak.platform import SoakPlatform
from tests.soak.report import Report

OUTBOX = [(str(number), "file.loaded", f"{number} rows") for number in range(5)]


class Outbox:
    """A platform of which only the endings of files are known."""

    def query_dagster(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        del statement, values
        return list(OUTBOX)


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return Report(tmp_path, 0)


def drop(items: list[Any]) -> list[Any]:
    return [*items[:2], *items[3:]]


def double(items: list[Any]) -> list[Any]:
    return [*items[:3], *items[2:]]


def swap(items: list[Any]) -> list[Any]:
    return [*items[:1], items[2], items[1], *items[3:]]


def add(items: list[Any]) -> list[Any]:
    return [*items[:2], 99 if isinstance(items[0], int) else ("99", "DONE", "no rows"), *items[2:]]


TAMPERED = (drop, double, swap, add)


def test_a_listener_that_saw_every_event_once_is_no_finding(report: Report) -> None:
    compare(report, "a listener", [1, 2, 3, 4], [1, 2, 3, 4])
    assert not report.findings


@pytest.mark.parametrize("tamper", TAMPERED)
def test_an_event_lost_doubled_swapped_or_unknown_is_found(
    report: Report, tamper: Callable[[list[int]], list[int]]
) -> None:
    compare(report, "a listener", tamper([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5])
    assert [finding["kind"] for finding in report.findings] == [
        "a listener did not see each event once in order"
    ]


def notified(report: Report, received: list[tuple[str | None, str, str]]) -> int:
    """Findings about a WebSocket that received so many notifications on its only connection."""
    socket = WebSocketListener("socket", cast("SoakPlatform", Outbox()), random.Random(0), stays_s=0)
    socket.run = lambda: None  # type: ignore[method-assign]
    socket.start()
    socket._connections.append(received)
    socket.finish(report)
    return len(report.findings)


def test_a_websocket_may_see_any_part_of_the_endings_without_gaps(report: Report) -> None:
    whole = [(task, "DONE", message) for task, _, message in OUTBOX]
    assert notified(report, list(whole)) == 0
    assert notified(report, list(whole[1:4])) == 0
    assert notified(report, []) == 0


@pytest.mark.parametrize("tamper", TAMPERED)
def test_a_notification_lost_doubled_swapped_or_unknown_is_found(
    report: Report, tamper: Callable[[list[Any]], list[Any]]
) -> None:
    assert notified(report, tamper([(task, "DONE", message) for task, _, message in OUTBOX])) == 1


def test_an_event_that_is_cut_off_is_not_seen() -> None:
    lines = ["id: 1", "event: file.loaded", "data: {}", "", ": ping", "id: 2", "event: file.loaded"]
    assert list(read_events(iter(lines))) == [Received(1, "file.loaded", {}), None]


def test_an_error_in_code_is_told_from_an_outage() -> None:
    assert is_error_in_code('psycopg.errors.UndefinedTable: relation "shifts_store.x" does not exist')
    assert is_error_in_code("UniqueViolation: duplicate key value")
    assert is_error_in_code("KeyError: 'trips'")
    assert not is_error_in_code("psycopg.OperationalError: server closed the connection unexpectedly")
    assert not is_error_in_code("DiskFull: could not extend file: No space left on device")


def test_a_fault_explains_what_fails_during_and_shortly_after_it(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.soak.report.time.time", lambda: 1000.0)
    report.fault("pause api", lasts_s=10.0)
    assert report.had_fault(990.0, 1000.0, echo_s=60.0)
    assert report.had_fault(1069.0, 1100.0, echo_s=60.0)
    assert not report.had_fault(1071.0, 1100.0, echo_s=60.0)
    assert not report.had_fault(900.0, 999.0, echo_s=60.0)
