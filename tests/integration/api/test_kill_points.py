"""Workers and the database are killed between the steps of loads and refreshes; nothing is lost or left over."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import dagster as dg
import httpx
import numpy as np
import psycopg
import pytest

from shifts_pipeline.sensors import lost_workers as lost_workers_module
from shifts_pipeline.sensors import refresh_plan
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.lost_workers import lost_workers
from shifts_pipeline.sensors.queued_files import queued_files
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_platform.migrations.databases import (
    ensure_database,
    migrate_dagster_database,
    migrate_trips_database,
)
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.conftest import FAST, dagster_instance
from tests.database import allow_other_users
from tests.integration.api.halting_run import HaltingRun
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, running
from tests.integration.api.test_segments import Work
from tests.integration.loading.loading import Loader
from tests.integration.loading.server import Server
from tests.integration.pipeline.harness import Pipeline

FILES = ("a.csv", "b.csv")
TRIPS = 300
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
VICTIMS = ("worker", "database")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with both databases, which tests kill."""
    folder = tmp_path_factory.mktemp("server")
    allow_other_users(folder)
    # What is committed must survive the death of the server, as in production.
    postgres = EmbeddedPostgres(folder / "server", extra_settings={**FAST, "synchronous_commit": "on"})
    postgres.prepare()
    found = Server(postgres, folder / "server.log", postgres.start(folder / "server.log"))
    for name in ("trips", "dagster"):
        ensure_database(postgres.url(name))
    migrate_trips_database(postgres.url("trips"))
    with dagster_instance(postgres.url("dagster")):
        pass
    migrate_dagster_database(postgres.url("dagster"))
    yield found
    postgres.stop()


@pytest.fixture(scope="module")
def service(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "landing").mkdir()
    urls = server.postgres.url("trips"), server.postgres.url("dagster")
    with running(Service(*urls, folder / "landing", folder / "api.log")) as found:
        yield found


@pytest.fixture
def pipeline(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    monkeypatch.setattr(lost_workers_module, "LAUNCH_TIMEOUT", timedelta(0))
    monkeypatch.setattr(refresh_plan, "FIRST_PAUSE", timedelta(0))
    with pipeline_of(service) as found:
        yield found


@pytest.fixture
def work(service: Service, client: httpx.Client, pipeline: Pipeline) -> Work:
    """Two files are loaded, and their pairs are fresh."""
    found = Work(Loader(service.database_url, service.landing), client, np.random.default_rng(20180528))
    found.loader.empty()
    with psycopg.connect(service.dagster_database_url) as connection:
        connection.execute("TRUNCATE shifts_feed.events, dynamic_partitions, runs CASCADE")
    drop(found)
    assert all(run.success for run in (*pipeline.load(), *pipeline.refresh()))
    return found


def drop(work: Work) -> None:
    """Drops a new version of each file."""
    for name in FILES:
        work.loader.put(name, work.csv(TRIPS))


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


def kill(victim: str, server: Server, run: HaltingRun) -> None:
    if victim == "worker":
        run.kill()
    else:
        server.kill()
        run.go_on()


def recover(pipeline: Pipeline) -> None:
    """What the sensors do by themselves in the next minute."""
    cursor = datetime_cursor(pipeline)
    pipeline.tick(lost_workers, pipeline.tick(lost_workers).cursor)
    assert pipeline.instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])) == 0
    pipeline.let_the_wait_pass()
    pipeline.execute("UPDATE shifts_store.trip_files SET finished_at = finished_at - interval '1 min'")
    pipeline.execute("UPDATE shifts_store.refresh_attempts SET retry_at = now() - interval '1 s'")
    pipeline.load()
    pipeline.tick(stale_weeks, cursor)
    pipeline.refresh()


def datetime_cursor(pipeline: Pipeline) -> str:
    """The cursor of `stale_weeks` before the run was lost."""
    ((moment,),) = pipeline.query("SELECT now() - interval '1 min'")
    return str(moment.isoformat())


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


def leftovers(pipeline: Pipeline) -> list[tuple[int, ...]]:
    """Tiles of no segment, segments without tiles, trips of files that are not loaded, clusters of no trips."""
    return pipeline.query(
        """
        SELECT (SELECT count(*) FROM shifts_store.weekly_trip_tiles t WHERE NOT EXISTS (
                    SELECT FROM shifts_store.tile_segments s WHERE s.segment = t.segment)),
               (SELECT count(*) FROM shifts_store.tile_segments s WHERE NOT EXISTS (
                    SELECT FROM shifts_store.weekly_trip_tiles t WHERE s.segment = t.segment)),
               (SELECT count(*) FROM shifts_store.trips t WHERE NOT EXISTS (
                    SELECT FROM shifts_store.trip_files f WHERE f.file_id = t.file_id AND f.status = 'loaded')),
               (SELECT count(*) FROM shifts.cluster_members m WHERE NOT EXISTS (
                    SELECT FROM shifts.trips t WHERE t.trip_id = m.trip_id))
        """
    )


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize(
    ("halted", "point"),
    [
        *((halted_load, point) for point in LOAD_POINTS.values()),
        *((halted_refresh, point) for point in REFRESH_POINTS.values()),
    ],
    ids=[*LOAD_POINTS, *REFRESH_POINTS],
)
def test_a_killed_load_or_refresh_leaves_each_answer_old_or_new_and_is_completed(
    server: Server,
    service: Service,
    pipeline: Pipeline,
    work: Work,
    halted: Callable[[Service, Pipeline, Work, str], HaltingRun],
    point: str,
    victim: str,
) -> None:
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
