"""The nightly cleanup deletes what is old and holds nothing current, and nothing else."""

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.jobs.cleanup import EVENTS_KEPT, KEYS_KEPT, RUNS_KEPT, nightly_cleanup
from shifts_pipeline.partitions import TRIP_FILES
from tests.integration.pipeline.harness import HEADER, Pipeline, row


def load(pipeline: Pipeline, name: str, rows: int) -> str:
    """Loads a version of a file; the run's id."""
    pipeline.put(name, HEADER + "".join(row(moment=f"2018-05-28 09:00:{n:02}") for n in range(rows)))
    (run,) = pipeline.load()
    return run.run_id


def clean(pipeline: Pipeline) -> dg.ExecuteInProcessResult:
    run = pipeline.run("cleanup", {})
    assert run.success
    return run


@pytest.fixture
def dagster_url(dagster_database_url: str) -> str:
    return dagster_database_url


def age(url: str, run_ids: list[str]) -> None:
    """Runs are older than what is kept."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE runs SET create_timestamp = create_timestamp - %s - interval '1 hour' WHERE run_id = ANY (%s)",
            [RUNS_KEPT, run_ids],
        )


def test_an_old_run_goes_when_all_it_wrote_was_written_again(pipeline: Pipeline, dagster_url: str) -> None:
    outdated, current = load(pipeline, "a.csv", 2), load(pipeline, "a.csv", 3)
    young, _ = load(pipeline, "b.csv", 4), load(pipeline, "b.csv", 5)
    pipeline.put("invalid.csv", "nothing\n")
    (failed,) = pipeline.load()
    assert not failed.success
    age(dagster_url, [outdated, current, failed.run_id])

    run = clean(pipeline)
    assert run.output_for_node("delete_old_runs") == 2
    kept = {run.run_id for run in pipeline.instance.get_runs()}
    assert {current, young} <= kept
    assert not {outdated, failed.run_id} & kept
    assert pipeline.instance.get_materialized_partitions(RAW_TRIPS) >= {"a.csv", "b.csv"}


def test_an_old_run_goes_when_the_partitions_of_its_files_are_retired(
    pipeline: Pipeline, dagster_url: str
) -> None:
    retired, held = load(pipeline, "a.csv", 6), load(pipeline, "b.csv", 7)
    age(dagster_url, [retired, held])
    pipeline.instance.delete_dynamic_partition(str(TRIP_FILES.name), "a.csv")
    assert clean(pipeline).output_for_node("delete_old_runs") == 1
    kept = {run.run_id for run in pipeline.instance.get_runs()}
    assert held in kept
    assert retired not in kept


def test_a_run_that_is_not_over_stays_however_old_it_is(pipeline: Pipeline, dagster_url: str) -> None:
    started = pipeline.instance.create_run_for_job(
        pipeline.defs.resolve_job_def("load_trip_files"), status=dg.DagsterRunStatus.STARTED
    )
    age(dagster_url, [started.run_id])
    clean(pipeline)
    assert pipeline.instance.has_run(started.run_id)


def test_events_of_the_feed_go_after_a_week(pipeline: Pipeline, dagster_url: str) -> None:
    load(pipeline, "c.csv", 6)
    with psycopg.connect(dagster_url) as connection:
        old = connection.execute(
            "UPDATE shifts_feed.events SET occurred_at = occurred_at - %s - interval '1 hour'"
            " WHERE event_id IN (SELECT event_id FROM shifts_feed.events ORDER BY 1 LIMIT 2) RETURNING event_id",
            [EVENTS_KEPT],
        ).fetchall()
        before = connection.execute("SELECT count(*) FROM shifts_feed.events").fetchone()
    assert clean(pipeline).output_for_node("delete_old_events") == len(old) == 2
    with psycopg.connect(dagster_url) as connection:
        kept = connection.execute("SELECT event_id FROM shifts_feed.events").fetchall()
    assert not set(old) & set(kept)
    assert before is not None
    assert len(kept) >= before[0] - 2


def test_idempotency_keys_go_after_a_week(
    pipeline: Pipeline, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shifts_pipeline.jobs.cleanup.MAX_KEYS_PER_TRANSACTION", 2)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO shifts_store.idempotency_keys (key, fingerprint, created_at)"
            " SELECT 'key ' || n, '', now() - CASE WHEN n < 5 THEN %(kept)s + interval '1 hour'"
            " ELSE %(kept)s - interval '1 hour' END FROM generate_series(0, 6) n",
            {"kept": KEYS_KEPT},
        )
        assert clean(pipeline).output_for_node("delete_old_keys") == 5
        kept = connection.execute("SELECT key FROM shifts_store.idempotency_keys ORDER BY key").fetchall()
    assert kept == [("key 5",), ("key 6",)]


def test_it_runs_by_itself(pipeline: Pipeline) -> None:
    assert nightly_cleanup.default_status is dg.DefaultScheduleStatus.RUNNING
    assert "nightly_cleanup" in {schedule.name for schedule in pipeline.defs.schedules or ()}


def test_entries_of_the_audit_trail_go_after_a_year(pipeline: Pipeline, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO shifts_store.audit_trail (recorded_at, action, actor, target)"
            " SELECT now() - w * interval '1 week', 'trips.read', w::text, '' FROM generate_series(50, 54) AS w"
        )
    assert clean(pipeline).output_for_node("delete_old_audit_entries") == 3
    with psycopg.connect(database_url) as connection:
        kept = connection.execute("SELECT actor FROM shifts_store.audit_trail ORDER BY actor").fetchall()
    assert kept == [("50",), ("51",)]
