"""Workers and the database are killed between the steps of loads and refreshes; nothing is lost or left over."""

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from tests.integration.api.halting_run import HaltingRun
from tests.integration.api.killed.recovery import FILES, TRIPS, drop, kill, kills, leftovers, recover
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service
from tests.integration.api.test_segments import Work
from tests.integration.loading.server import Server
from tests.integration.pipeline.harness import Pipeline

RAW_TRIPS, WEEKLY_ASSETS = "shifts_pipeline.assets.raw_trips", "shifts_pipeline.assets.weekly_assets"
LOAD_POINTS = {
    "trips and tiles are written": "shifts_pipeline.storage.transitions:finish",
    "segments are recorded": "shifts_pipeline.storage.failed_loads:commit",
    "the file is committed": f"{RAW_TRIPS}:publish_file_event",
    "the file is announced": f"{RAW_TRIPS}:_events",
}
REFRESH_POINTS = {
    "segments are merged": "shifts_pipeline.storage.refresh_pair:totals",
    "aggregates are committed": "shifts_pipeline.storage.stale_pairs:end",
    "the week is committed": f"{WEEKLY_ASSETS}:_materializations",
}


def halted_load(service: Service, pipeline: Pipeline, work: Work, point: str) -> HaltingRun:
    """A run that replaces both files, halted at the second one."""
    drop(work)
    pipeline.tick(landing_zone)
    (request,) = pipeline.tick(queued_files).run_requests
    return HaltingRun(service, "load_trip_files", dict(request.tags), point)


def halted_refresh(service: Service, pipeline: Pipeline, work: Work, point: str) -> HaltingRun:
    """A run that merges what the replacement of both files left, halted at the second pair."""
    drop(work)
    assert all(run.success for run in pipeline.load())
    (request,) = pipeline.tick(stale_weeks).run_requests
    return HaltingRun(service, "refresh_weeks", dict(request.tags), point)


def is_whole(pipeline: Pipeline, work: Work, service: Service) -> None:
    """Each file is in once and announced once; answers, tiles and Dagster's partitions agree with the trips."""
    versions = pipeline.query(
        "SELECT f.name, f.rows_loaded, count(*) FROM shifts.files f JOIN shifts.trips t USING (file_id)"
        " WHERE f.status = 'loaded' GROUP BY f.file_id, f.name, f.rows_loaded ORDER BY f.name"
    )
    assert versions == [(name, TRIPS, TRIPS) for name in FILES]
    assert pipeline.trips() == TRIPS * len(FILES)
    assert pipeline.query("SELECT * FROM shifts_store.stale_weeks") == []
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        work.agrees(connection, 8)
    assert leftovers(pipeline) == [(0, 0, 0, 0)]
    assert pipeline.query("SELECT * FROM shifts_store.failed_pair_checks") == []
    with psycopg.connect(service.dagster_database_url) as connection:
        announced = connection.execute(
            "SELECT count(*) FROM shifts_feed.events WHERE type = 'file.loaded' GROUP BY details->>'file_id'"
        ).fetchall()
    ((settled,),) = pipeline.query(
        "SELECT count(*) FROM shifts.files WHERE status IN ('loaded', 'superseded')"
    )
    assert announced == [(1,)] * settled
    weeks = pipeline.instance.get_dynamic_partitions("weeks")
    for key in ("weekly_aggregates", "trip_clusters"):
        assert pipeline.instance.get_materialized_partitions(dg.AssetKey(key)) == set(weeks)


@pytest.mark.parametrize(
    ("point", "victim"),
    [*kills(LOAD_POINTS, "segments are recorded"), *kills(REFRESH_POINTS, "aggregates are committed")],
)
def test_a_killed_load_or_refresh_leaves_each_answer_old_or_new_and_is_completed(
    server: Server,
    service: Service,
    pipeline: Pipeline,
    work: Work,
    point: str,
    victim: str,
) -> None:
    halted = halted_load if point in LOAD_POINTS.values() else halted_refresh
    run = halted(service, pipeline, work, point)
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        work.agrees(connection, 4)
        kill(victim, server, run)
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        work.agrees(connection, 4)
    assert leftovers(pipeline)[0][:3] == (0, 0, 0)
    # Pooled connections to a killed database are gone: the platform's processes start again, too.
    with pipeline_of(service) as restarted:
        recover(restarted)
        is_whole(restarted, work, service)
