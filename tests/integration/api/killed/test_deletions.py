"""Workers and the database are killed between the steps of deletions: answers are old or new, and no trip returns."""

from collections.abc import Sequence

import httpx
import psycopg
import pytest

from shifts_pipeline.sensors.deleted_files import deleted_files
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
from tests.integration.api.halting_run import HaltingRun
from tests.integration.api.killed.recovery import FILES, TRIPS, kill, kills, leftovers, recover
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service
from tests.integration.api.test_segments import REGION, Work
from tests.integration.loading.server import Server
from tests.integration.pipeline.harness import Pipeline
from tests.integration.traces import traces

DELETION, STORAGE = "shifts_pipeline.jobs.deletion", "shifts_pipeline.storage"
DELETE_POINTS = {
    "segments subtract the trips": f"{STORAGE}.deletion:segment_parameters",
    "the landed file is removed": f"{STORAGE}.transitions:finish_deletion",
    "the deletion is committed": f"{DELETION}:publish_file_event",
}
EXPIRY_POINT = "shifts_pipeline.jobs.retention:expire_week"
RETENTION = {"SHIFTS_RETENTION_WEEKS": "1"}


def trip_ids(pipeline: Pipeline) -> list[str]:
    return [str(trip_id) for (trip_id,) in pipeline.query("SELECT trip_id FROM shifts.trips")]


def rows_by_file(pipeline: Pipeline) -> set[int]:
    """Numbers of trips of the two files."""
    return {
        trips
        for (trips,) in pipeline.query(
            "SELECT count(t.file_id) FROM shifts.files f LEFT JOIN shifts.trips t USING (file_id)"
            " WHERE f.name = ANY (%s) GROUP BY f.file_id",
            list(FILES),
        )
    }


def nothing_is_left(pipeline: Pipeline, service: Service, work: Work, ids: Sequence[str]) -> None:
    """The trips are in no table and no file, and a new scan of the landing zone finds nothing to load."""
    urls = service.database_url, service.dagster_database_url
    assert traces(urls, service.landing, ids) == set()
    assert leftovers(pipeline) == [(0, 0, 0, 0)]
    assert [path for path in service.landing.rglob("*") if path.is_file()] == []
    pipeline.tick(landing_zone)
    assert pipeline.tick(queued_files).run_requests == []
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        work.agrees(connection, 4)
    with psycopg.connect(service.dagster_database_url) as connection:
        announced = connection.execute(
            "SELECT partition, count(*) FROM shifts_feed.events WHERE type = 'file.deleted' GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert announced == [(name, 1) for name in FILES]


@pytest.mark.parametrize(("point", "victim"), kills(DELETE_POINTS, "segments subtract the trips"))
def test_a_killed_deletion_leaves_all_or_nothing_of_a_file_and_is_completed(
    server: Server,
    service: Service,
    client: httpx.Client,
    pipeline: Pipeline,
    work: Work,
    point: str,
    victim: str,
) -> None:
    ids = trip_ids(pipeline)
    for file in client.get("/files", params={"status": "loaded"}).json()["files"]:
        assert client.delete(f"/files/{file['file_id']}").status_code == 202
    run = HaltingRun(service, "delete_files", {}, point)
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        work.agrees(connection, 4)
        kill(victim, server, run)
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        work.agrees(connection, 4)
    assert rows_by_file(pipeline) <= {0, TRIPS}
    assert leftovers(pipeline)[0][:2] == (0, 0)
    with pipeline_of(service) as restarted:
        recover(restarted)
        assert all(each.success for each in restarted.delete())
        # Events that the dead worker did not publish.
        restarted.execute("UPDATE shifts_store.trip_files SET finished_at = finished_at - interval '1 min'")
        recover(restarted)
        assert restarted.tick(deleted_files).run_requests == []
        nothing_is_left(restarted, service, work, ids)


@pytest.mark.parametrize(("point", "victim"), kills({"a week expires": EXPIRY_POINT}, ""))
def test_a_killed_retention_leaves_all_or_nothing_of_a_week_and_is_completed(
    server: Server, service: Service, pipeline: Pipeline, work: Work, point: str, victim: str
) -> None:
    ids = trip_ids(pipeline)
    (before,) = pipeline.query("SELECT array_agg(trips ORDER BY week) FROM shifts.weekly")[0]
    run = HaltingRun(service, "retention", {}, point, RETENTION)
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        work.agrees(connection, 4)
        kill(victim, server, run)
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        work.agrees(connection, 4)
    assert pipeline.query("SELECT trips FROM shifts.weekly WHERE region = %s", REGION) == [(before[1],)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHIFTS_RETENTION_WEEKS", "1")
        with pipeline_of(service) as restarted:
            recover(restarted)
            assert restarted.run("retention", {}).success
            assert all(each.success for each in restarted.delete())
            recover(restarted)
            nothing_is_left(restarted, service, work, ids)
