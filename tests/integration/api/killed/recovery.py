"""What is done to a run and after its death: kill it, let the sensors recover, and look for what is left over."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from shifts_pipeline.sensors.lost_workers import lost_workers
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from tests.integration.api.halting_run import HaltingRun
from tests.integration.api.test_segments import Work
from tests.integration.loading.server import Server
from tests.integration.pipeline.harness import Pipeline

FILES = ("a.csv", "b.csv")
TRIPS = 300
VICTIMS = ("worker", "database")


def kills(points: Mapping[str, str], quick: str) -> list[Any]:
    """Every point with every victim. The database is killed at one of them; at the others in the soak test."""
    return [
        pytest.param(
            point,
            victim,
            id=f"{name}, {victim}",
            marks=() if victim == "worker" or name == quick else pytest.mark.soak,
        )
        for name, point in points.items()
        for victim in VICTIMS
    ]


def drop(work: Work) -> None:
    """Drops a new version of each file."""
    for name in FILES:
        work.loader.put(name, work.csv(TRIPS))


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
