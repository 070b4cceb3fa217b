"""Following the ledger during the soak, and waiting at the end until nothing is unfinished."""

import time

import psycopg

from tests.soak.model import Model
from tests.soak.platform import SoakPlatform
from tests.soak.report import Report

_QUIET_FOR_S = 12.0
_STUCK_FOR_S = 120.0
"""Seconds after which names that are not settled, with no work left, are a finding."""
_UNCHANGED_FOR_S = 480.0
"""Seconds; longer than the longest pause between two attempts of the platform."""
_LOOK_EVERY_S = 2.0
_LEDGER = "SELECT name, version, status FROM shifts_store.trip_files WHERE kind = 'file'"


class Observer:
    """Updates the model with finished files and reports those with a wrong final state."""

    def __init__(self, platform: SoakPlatform, model: Model, report: Report) -> None:
        self._platform, self._model, self._report = platform, model, report

    def observe(self) -> None:
        """Reads the ledger once."""
        stamps = self._model.changes()
        try:
            rows = self._platform.query(_LEDGER, patience_s=0)
        except psycopg.Error:
            return
        statuses = {(name, version): status for name, version, status in rows}
        self._model.settle(stamps, statuses)

    def report_unsettled(self) -> None:
        """Reports every name whose present version does not have the final state that its content requires."""
        for name in self._model.names():
            if name.settled or name.present is None:
                continue
            entries = self._platform.query(
                "SELECT file_id, version, status, duplicate_of, attempts, error FROM shifts_store.trip_files"
                " WHERE name = %s ORDER BY file_id",
                [name.name],
            )
            self._report.finding(
                "a file did not end as it must",
                name=name.name,
                content=repr(name.present),
                version=name.version,
                ledger=_rows(entries),
            )


def wait_until_quiet(platform: SoakPlatform, model: Model, report: Report, *, timeout_s: float) -> None:
    """Waits until every file is finished, every pair fresh and every run finished; anything else is a finding."""
    deadline = time.monotonic() + timeout_s
    observer = Observer(platform, model, report)
    quiet_since = changed_at = time.monotonic()
    before: dict[str, list[str]] = {}
    while True:
        observer.observe()
        open_work, now = _open_work(platform), time.monotonic()
        if open_work != before:
            before, changed_at = open_work, now
        if open_work:
            quiet_since = now
        all_settled = all(name.settled or name.present is None for name in model.names())
        if now - quiet_since >= (_QUIET_FOR_S if all_settled else _STUCK_FOR_S):
            break
        if now > min(deadline, changed_at + _UNCHANGED_FOR_S):
            report.finding("the platform does not come to rest", **{k: v[:20] for k, v in open_work.items()})
            break
        time.sleep(_LOOK_EVERY_S)
    observer.report_unsettled()


def _open_work(platform: SoakPlatform) -> dict[str, list[str]]:
    found = {
        "open files": _rows(
            platform.query(
                "SELECT file_id, name, version, status, attempts, requested_at, error FROM shifts_store.trip_files"
                " WHERE status IN ('queued', 'loading')"
            )
        ),
        "endings that were not announced": _rows(
            platform.query(
                "SELECT file_id, name, status, finished_at FROM shifts_store.trip_files"
                " WHERE kind = 'file' AND published_at IS NULL"
            )
        ),
        "stale pairs": _rows(
            platform.query("SELECT region, week, stale_since FROM shifts_store.stale_weeks")
        ),
        "unfinished runs": _rows(
            platform.query_dagster(
                "SELECT run_id, pipeline_name, status, create_timestamp FROM runs"
                " WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
            )
        ),
        "service": [] if platform.is_ready() else ["is not ready"],
    }
    return {kind: rows for kind, rows in found.items() if rows}


def _rows(rows: list[tuple[object, ...]]) -> list[str]:
    return [str(tuple(map(str, row))) for row in rows]
