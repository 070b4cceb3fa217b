"""Files become trips exactly once, and the feed reports how each ended."""

import threading
from dataclasses import replace
from typing import Any

import dagster as dg
import psycopg
import pytest

from shifts_core.trips.report import LoadReport
from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.assets import raw_trips as raw_trips_module
from shifts_pipeline.sensors import load_plan
from shifts_pipeline.sensors import queued_files as queued_files_module
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
from shifts_pipeline.storage.file_audit import rows_match_ledger
from shifts_pipeline.storage.ingest import ingest
from shifts_pipeline.storage.load_context import LoadResult
from shifts_pipeline.storage.load_errors import MAX_ATTEMPTS
from shifts_pipeline.storage.load_file import load_file
from tests.integration.pipeline.harness import HEADER, Pipeline, row

GOOD = HEADER + row() + row("Prague") + row(moment="2018-05-21 23:59:59")


def feed(pipeline: Pipeline, dagster_database_url: str) -> list[tuple[str, str]]:
    """Type and file of the file events, in order; progress left out."""
    with psycopg.connect(dagster_database_url) as connection:
        return connection.execute(
            "SELECT type, partition FROM shifts_feed.events"
            " WHERE type IN ('file.loaded', 'file.failed') ORDER BY event_id"
        ).fetchall()


def test_a_dropped_file_is_loaded_recorded_materialized_and_published(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    pipeline.put("a.csv", GOOD)
    (run,) = pipeline.load()
    assert run.success
    assert pipeline.ledger() == {"a.csv": ("loaded", 3, 0)}
    assert pipeline.trips() == 3
    weekly = pipeline.query("SELECT region, to_char(week, 'IYYY-IW'), trips FROM shifts.weekly ORDER BY 1, 2")
    assert weekly == [("Prague", "2018-22", 1), ("Turin", "2018-21", 1), ("Turin", "2018-22", 1)]
    (event,) = [e for e in run.all_events if e.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION]
    assert event.partition == "a.csv"
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["dagster/partition_row_count"].value == 3
    assert feed(pipeline, dagster_database_url) == [("file.loaded", "a.csv")]


def test_nothing_new_asks_for_nothing(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    assert pipeline.load() == []
    assert pipeline.trips() == 3


def test_the_same_bytes_under_another_name_are_a_duplicate_and_load_nothing(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    pipeline.put("b.csv", GOOD)
    (run,) = pipeline.load()
    assert run.success
    assert pipeline.ledger() == {"a.csv": ("loaded", 3, 0), "b.csv": ("duplicate", 0, 0)}
    assert pipeline.trips() == 3
    assert feed(pipeline, dagster_database_url)[-1] == ("file.loaded", "b.csv")


def test_a_file_that_was_only_touched_is_a_duplicate_of_itself(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    statuses = pipeline.query("SELECT status FROM shifts.files ORDER BY file_id")
    assert statuses == [("loaded",), ("duplicate",)]
    assert pipeline.trips() == 3


def test_changed_bytes_under_the_same_name_replace_the_old_rows(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    pipeline.put("a.csv", HEADER + row(moment="2020-12-31 08:00:00") + row("Lyon"))
    pipeline.load()
    statuses = pipeline.query("SELECT status, rows_loaded FROM shifts.files ORDER BY file_id")
    assert statuses == [("superseded", 3), ("loaded", 2)]
    weekly = pipeline.query("SELECT region, to_char(week, 'IYYY-IW'), trips FROM shifts.weekly ORDER BY 1, 2")
    assert weekly == [("Lyon", "2018-22", 1), ("Turin", "2020-53", 1)]
    assert pipeline.trips() == 2


def test_a_copy_is_loaded_when_its_original_is_replaced(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    pipeline.put("b.csv", GOOD)
    pipeline.load()
    pipeline.put("a.csv", HEADER + row("Lyon"))
    pipeline.load()
    pipeline.load()
    assert pipeline.ledger() == {"a.csv": ("loaded", 1, 0), "b.csv": ("loaded", 3, 0)}
    assert pipeline.trips() == 4


def test_a_file_that_goes_back_to_an_earlier_version_is_loaded_again(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    first = pipeline.query("SELECT version FROM shifts_store.trip_files")[0][0]
    pipeline.put("a.csv", HEADER + row("Lyon"))
    pipeline.load()
    pipeline._written = 0
    pipeline.put("a.csv", GOOD)
    assert pipeline.load()
    assert pipeline.query("SELECT version FROM shifts_store.trip_files WHERE status = 'loaded'") == [(first,)]
    assert pipeline.trips() == 3


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("no_datetime.csv", GOOD.replace("datetime", "when"), "datetime"),
        ("empty.csv", "", "empty"),
        ("words.txt", "these are words\n", "csv"),
        ("picture.csv", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "column"),
    ],
)
def test_an_invalid_file_fails_alone_with_a_message_that_says_what_to_correct(
    pipeline: Pipeline, dagster_database_url: str, name: str, text: str, said: str
) -> None:
    pipeline.put(name, text)
    pipeline.put("good.csv", GOOD)
    (run,) = pipeline.load()
    assert not run.success
    assert pipeline.ledger()["good.csv"] == ("loaded", 3, 0)
    assert pipeline.ledger()[name] == ("failed", 0, 0)
    error = pipeline.query("SELECT error FROM shifts.files WHERE name = %s", name)[0][0]
    assert said in error.lower()
    assert ("file.failed", name) in feed(pipeline, dagster_database_url)
    assert pipeline.trips() == 3
    pipeline.put("next.csv", HEADER + row("Lyon"))
    (run,) = pipeline.load()
    assert run.success


def test_a_bug_in_the_loader_delays_no_other_file_and_is_retried_until_the_file_fails(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*arguments: Any, name: str, **options: Any) -> LoadReport:
        if name == "a.csv":
            raise ZeroDivisionError("never thought of")
        return load_file(*arguments, name=name, **options)

    monkeypatch.setattr("shifts_pipeline.storage.ingest.load_file", faulty)
    pipeline.put("a.csv", HEADER + row("Lyon"))
    pipeline.put("b.csv", GOOD)
    for _ in range(MAX_ATTEMPTS):
        (run,) = pipeline.load()
        assert not run.success
        assert pipeline.ledger() == {"a.csv": ("loading", 0, 0), "b.csv": ("loaded", 3, 0)}
        pipeline.let_the_wait_pass()
    assert pipeline.load() == []
    assert pipeline.query("SELECT status, error FROM shifts.files WHERE name = 'a.csv'") == [
        ("failed", "5 attempts failed or lost their worker; last error: ZeroDivisionError: never thought of")
    ]


def test_a_mended_file_is_loaded(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", "region\nTurin\n")
    pipeline.load()
    pipeline.put("a.csv", GOOD)
    (run,) = pipeline.load()
    assert run.success
    assert pipeline.ledger() == {"a.csv": ("loaded", 3, 0)}


def test_bad_rows_are_kept_with_line_reason_and_text_and_the_count_is_checked(pipeline: Pipeline) -> None:
    bad = row().replace("POINT (7.67", "POINT (north")
    pipeline.put("a.csv", GOOD + bad + row("Lyon"))
    (run,) = pipeline.load()
    assert run.success
    assert pipeline.ledger() == {"a.csv": ("loaded", 4, 1)}
    ((line, reason, raw),) = pipeline.query("SELECT line, reason, raw FROM shifts.rejects")
    assert line == 5
    assert "point" in reason.lower()
    assert "north" in raw
    (check,) = run.get_asset_check_evaluations()
    assert check.passed
    assert check.check_name == "every_row_is_accounted_for"
    assert check.partition == "a.csv"


def test_a_file_whose_rows_are_not_those_of_the_ledger_fails_its_check_and_the_run(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_too_much(*arguments: Any, **options: Any) -> LoadReport:
        report = load_file(*arguments, **options)
        return replace(report, rows_loaded=report.rows_loaded + (options["name"] == "a.csv"))

    monkeypatch.setattr("shifts_pipeline.storage.ingest.load_file", load_too_much)
    pipeline.put("a.csv", GOOD)
    pipeline.put("b.csv", HEADER + row("Lyon"))
    (run,) = pipeline.load()
    assert not run.success
    checks = {check.partition: check.passed for check in run.get_asset_check_evaluations()}
    assert checks == {"a.csv": False, "b.csv": True}
    (failure,) = [event for event in run.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE]
    assert failure.step_failure_data.user_failure_data is not None
    assert str(failure.step_failure_data.user_failure_data.description).startswith("a.csv: its rows")


def test_materializing_a_partition_again_by_hand_changes_no_count(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    before = pipeline.query("SELECT region, week, trips FROM shifts.weekly ORDER BY 1, 2")
    job = pipeline.defs.resolve_implicit_global_asset_job_def()
    run = job.execute_in_process(
        instance=pipeline.instance, partition_key="a.csv", asset_selection=[RAW_TRIPS]
    )
    assert run.success
    assert pipeline.trips() == 3
    assert pipeline.query("SELECT region, week, trips FROM shifts.weekly ORDER BY 1, 2") == before
    assert pipeline.ledger() == {"a.csv": ("loaded", 3, 0)}


def test_a_file_that_vanished_before_its_run_fails_with_a_message(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.tick(landing_zone)
    (request,) = pipeline.tick(queued_files).run_requests
    (pipeline.landing / "a.csv").unlink()
    assert not pipeline.run("load_trip_files", dict(request.tags)).success
    assert pipeline.query("SELECT status, error FROM shifts.files") == [
        ("failed", "a.csv is no longer in the landing zone: drop it again")
    ]


def test_a_run_that_comes_twice_loads_once(pipeline: Pipeline, dagster_database_url: str) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.tick(landing_zone)
    (request,) = pipeline.tick(queued_files).run_requests
    assert pipeline.run("load_trip_files", dict(request.tags)).success
    assert pipeline.run("load_trip_files", dict(request.tags)).success
    assert pipeline.trips() == 3
    assert pipeline.ledger() == {"a.csv": ("loaded", 3, 0)}
    assert feed(pipeline, dagster_database_url) == [("file.loaded", "a.csv")]


def test_a_run_that_starts_after_its_file_has_failed_neither_loads_nor_publishes_it_again(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    pipeline.put("a.csv", "no,such,columns\n1,2,3\n")
    pipeline.tick(landing_zone)
    (request,) = pipeline.tick(queued_files).run_requests
    ends = []
    for _ in range(2):
        pipeline.run("load_trip_files", dict(request.tags))
        ends += pipeline.query("SELECT status, finished_at FROM shifts.files")
    assert ends[0] == ends[1]
    assert feed(pipeline, dagster_database_url) == [("file.failed", "a.csv")]


def test_many_small_files_share_runs_and_odd_names_are_files_too(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = 20
    monkeypatch.setattr(load_plan, "MAX_FILES_PER_RUN", at_once)
    monkeypatch.setattr(queued_files_module, "MAX_NAMES_REQUESTED_PER_TICK", at_once)
    names = [f"part {n:03}.csv" for n in range(at_once)] + ["Zürich|100%.csv", "deep/er/a...b.csv"]
    for number, name in enumerate(names):
        pipeline.put(name, HEADER + row(moment=f"2018-05-28 09:00:{number:02}"))
    runs = pipeline.load() + pipeline.load()
    assert [run.success for run in runs] == [True, True]
    assert {status for status, _, _ in pipeline.ledger().values()} == {"loaded"}
    assert pipeline.trips() == len(names)


def test_an_end_that_a_lost_worker_did_not_publish_is_published_by_the_sensor(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    pipeline.put("a.csv", GOOD)
    pipeline.load()
    with psycopg.connect(pipeline.url) as connection:
        connection.execute(
            "UPDATE shifts_store.trip_files"
            " SET published_at = NULL, finished_at = now() - interval '1 minute', run_id = 'lost'"
        )
    pipeline.tick(queued_files)
    assert feed(pipeline, dagster_database_url) == [("file.loaded", "a.csv")] * 2
    pipeline.tick(queued_files)
    assert len(feed(pipeline, dagster_database_url)) == 2


def materialized(run: dg.ExecuteInProcessResult) -> list[str | None]:
    """The files that a run has materialized, in order."""
    of_type = dg.DagsterEventType.ASSET_MATERIALIZATION
    return [event.partition for event in run.all_events if event.event_type == of_type]


def test_a_file_is_audited_while_the_next_one_is_loaded(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_is_loaded = threading.Event()
    waited: list[bool] = []

    def load(name: str, *arguments: Any) -> LoadResult:
        result = ingest(name, *arguments)
        if name == "b.csv":
            next_is_loaded.set()
        return result

    def audit(connection: psycopg.Connection, file_id: int) -> bool:
        waited.append(next_is_loaded.wait(20))
        return rows_match_ledger(connection, file_id)

    monkeypatch.setattr(raw_trips_module, "ingest", load)
    monkeypatch.setattr(raw_trips_module, "rows_match_ledger", audit)
    pipeline.put("a.csv", GOOD)
    pipeline.put("b.csv", HEADER + row("Lyon"))
    (run,) = pipeline.load()
    assert run.success
    assert waited == [True, True]
    assert materialized(run) == ["a.csv", "b.csv"]


def test_an_outage_during_a_load_loses_no_audit_of_the_file_before(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_down = threading.Event()

    def load(name: str, *arguments: Any) -> LoadResult:
        if name == "b.csv":
            is_down.set()
            raise psycopg.OperationalError("down")
        return ingest(name, *arguments)

    def audit(connection: psycopg.Connection, file_id: int) -> bool:
        is_down.wait(20)
        return rows_match_ledger(connection, file_id)

    monkeypatch.setattr(raw_trips_module, "ingest", load)
    monkeypatch.setattr(raw_trips_module, "rows_match_ledger", audit)
    pipeline.put("a.csv", GOOD)
    pipeline.put("b.csv", HEADER + row("Lyon"))
    (run,) = pipeline.load()
    assert not run.success
    assert materialized(run) == ["a.csv"]


def test_rows_that_differ_from_the_ledger_fail_the_run_and_name_the_file(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def audit(connection: psycopg.Connection, file_id: int) -> bool:
        if file_id == 1:
            connection.execute("DELETE FROM shifts_store.trips WHERE file_id = 1 AND region_id = 1")
        return rows_match_ledger(connection, file_id)

    monkeypatch.setattr(raw_trips_module, "rows_match_ledger", audit)
    pipeline.put("a.csv", GOOD)
    pipeline.put("b.csv", HEADER + row("Lyon"))
    (run,) = pipeline.load()
    assert not run.success
    evaluations = run.get_asset_check_evaluations()
    assert {found.partition: found.passed for found in evaluations} == {"a.csv": False, "b.csv": True}
