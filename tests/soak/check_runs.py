"""Runs: a failed run needs an injected fault at that time, and must not have failed with a programming error."""

import json
from itertools import chain
from typing import Any

import psycopg

from tests.soak.platform import SoakPlatform
from tests.soak.report import Report

_LOADS = "load_trip_files"
_BECAUSE_OF_FILES = "Failure:"
"""A load also fails when one of its files does; other checks compare the file's state with the model."""
_ECHO_S = 60.0
"""Seconds after the end of a fault in which a run may fail: processes restart and the database recovers."""


class RunCheck:
    """Compares failed runs with the faults that were injected."""

    def __init__(self, platform: SoakPlatform, report: Report) -> None:
        self._platform, self._report = platform, report

    def check(self) -> None:
        """Checks every failed run."""
        runs = self._platform.query_dagster(
            "SELECT run_id, pipeline_name, extract(epoch FROM create_timestamp AT TIME ZONE 'UTC')::float,"
            " coalesce(end_time, extract(epoch FROM update_timestamp AT TIME ZONE 'UTC'))::float"
            " FROM runs WHERE status = 'FAILURE' ORDER BY id"
        )
        for run_id, job, begun, ended in runs:
            errors = self._errors(run_id)
            if job == _LOADS and any(error.startswith(_BECAUSE_OF_FILES) for error in errors):
                continue
            about = {"run_id": run_id, "job": job, "seconds": round(ended - begun, 1), "errors": errors}
            if any(is_error_in_code(error) for error in errors):
                self._report.finding("a run failed with an error in code", **about)
            elif not self._report.had_fault(begun, ended, echo_s=_ECHO_S):
                self._report.finding("a run failed without a fault", **about)
        self._report.check("failed runs", len(runs))

    def _errors(self, run_id: str) -> list[str]:
        rows = self._platform.query_dagster(
            "SELECT event FROM event_logs WHERE run_id = %s"
            " AND dagster_event_type IN ('STEP_FAILURE', 'PIPELINE_FAILURE') ORDER BY id",
            [run_id],
        )
        return [text[-1500:] for (event,) in rows for text in _messages(json.loads(event))]


def is_error_in_code(text: str) -> bool:
    """Whether no outage raises an error of this class."""
    return any(f"{name}:" in text for name in _IN_CODE)


def _messages(event: dict[str, Any]) -> list[str]:
    """The messages of an event's error and of its causes."""
    found = []
    error = ((event.get("dagster_event") or {}).get("event_specific_data") or {}).get("error")
    while error:
        found.append(f"{error.get('cls_name')}: {error.get('message')}")
        error = error.get("cause")
    return found or [str((event.get("dagster_event") or {}).get("message") or event.get("user_message"))]


def _names(*kinds: type[BaseException]) -> set[str]:
    return {kind.__name__ for kind in kinds} | set(
        chain.from_iterable(_names(*kind.__subclasses__()) for kind in kinds if kind.__subclasses__())
    )


_IN_CODE = _names(
    psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError
) | {"AssertionError", "AttributeError", "IndexError", "KeyError", "TypeError", "ValueError", "NameError"}
