"""A run whose worker is gone fails in the second tick; a run whose worker holds its lock does not."""

from datetime import timedelta

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.jobs.asset_jobs import load_trip_files, refresh_shifts
from shifts_pipeline.sensors import lost_workers as sensor_module
from shifts_pipeline.sensors.lost_workers import LOCKED_JOBS, lost_workers
from shifts_pipeline.sensors.stale_shifts import stale_shifts
from shifts_pipeline.storage import locks
from tests.integration.pipeline.harness import HEADER, Pipeline, row


def look(pipeline: Pipeline, cursor: str | None) -> str | None:
    """One tick of the sensor; the cursor it leaves."""
    resource = pipeline.defs.resources["trips_database"]  # type: ignore[index]
    with dg.build_sensor_context(
        instance=pipeline.instance, cursor=cursor, resources={"trips_database": resource}
    ) as context:
        return lost_workers.evaluate_tick(context).cursor


@pytest.fixture(params=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def run(request: pytest.FixtureRequest, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterRun:
    """A run that Dagster believes to be at work; no process has anything to do with it."""
    monkeypatch.setattr(sensor_module, "LAUNCH_TIMEOUT", timedelta(0))
    job = pipeline.defs.resolve_job_def(load_trip_files.name)
    found = pipeline.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING)
    if request.param == dg.DagsterRunStatus.STARTED:
        started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job.name)
        pipeline.instance.report_dagster_event(started, found.run_id)
    assert status(pipeline, found) == request.param
    return found


def status(pipeline: Pipeline, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = pipeline.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_run_without_its_worker_is_failed_in_the_second_tick(
    pipeline: Pipeline, run: dg.DagsterRun
) -> None:
    before = status(pipeline, run)
    cursor = look(pipeline, None)
    assert status(pipeline, run) == before
    look(pipeline, cursor)
    assert status(pipeline, run) == dg.DagsterRunStatus.FAILURE


def test_a_run_whose_worker_lives_is_left_alone(pipeline: Pipeline, run: dg.DagsterRun) -> None:
    before = status(pipeline, run)
    with psycopg.connect(pipeline.url, autocommit=True) as worker:
        locks.lock_run(worker, run.run_id)
        look(pipeline, look(pipeline, None))
        assert status(pipeline, run) == before
    look(pipeline, look(pipeline, None))
    assert status(pipeline, run) == dg.DagsterRunStatus.FAILURE


def test_every_job_whose_runs_hold_a_lock_is_watched(pipeline: Pipeline) -> None:
    jobs = pipeline.defs.get_repository_def().get_all_jobs()
    holding = {
        job.name
        for job in jobs
        for node in job.all_node_defs
        if isinstance(node, dg.OpDefinition) and "worker_lock" in node.required_resource_keys
    }
    assert holding == LOCKED_JOBS


def test_shifts_are_requested_again_after_the_worker_of_their_run_is_lost(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_module, "LAUNCH_TIMEOUT", timedelta(0))
    pipeline.put("a.csv", HEADER + row())
    pipeline.load()
    pipeline.refresh()
    (request,) = pipeline.tick(stale_shifts).run_requests
    pipeline.instance.create_run_for_job(
        pipeline.defs.resolve_job_def(refresh_shifts.name),
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.STARTING,
    )
    assert pipeline.tick(stale_shifts).run_requests == []
    look(pipeline, look(pipeline, None))
    assert len(pipeline.tick(stale_shifts).run_requests) == 1
