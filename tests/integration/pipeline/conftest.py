"""The pipeline on emptied databases of the module."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.workspace.load_target import GrpcServerTarget

from shifts_pipeline.definitions import build_defs
from shifts_pipeline.sensors import waiting
from shifts_pipeline.settings import PipelineSettings
from tests.integration.pipeline.commuters import commuters, settle
from tests.integration.pipeline.deleting import GONE, KEPT
from tests.integration.pipeline.harness import Pipeline
from tests.integration.pipeline.webserver import code_server


@pytest.fixture
def pipeline(
    instance: dg.DagsterInstance,
    database_url: str,
    dagster_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Pipeline:
    """The pipeline on emptied databases, with sensors that do not wait."""
    monkeypatch.setattr(waiting, "WATCH_S", 0.0)
    monkeypatch.setattr("shifts_pipeline.sensors.landing_zone.WATCH_S", 0.0)
    landing = tmp_path / "landing"
    landing.mkdir()
    monkeypatch.setenv("SHIFTS_DATABASE_URL", database_url)
    monkeypatch.setenv("SHIFTS_DAGSTER_DATABASE_URL", dagster_database_url)
    monkeypatch.setenv("SHIFTS_LANDING_URL", str(landing))
    with psycopg.connect(database_url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables"
            " WHERE schemaname = 'shifts_store'"
        ).fetchone()
        assert tables is not None
        connection.execute(f"TRUNCATE {tables[0]} RESTART IDENTITY CASCADE")
    with psycopg.connect(dagster_database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE shifts_feed.events, dynamic_partitions, runs RESTART IDENTITY CASCADE")
    options = PipelineSettings(
        database_url=database_url,
        dagster_database_url=dagster_database_url,
        landing_url=str(landing),
        first_week=date(2000, 1, 3),
    )
    return Pipeline(instance, build_defs(options), landing, database_url)


@pytest.fixture(scope="module")
def code(database_url: str, dagster_database_url: str) -> Iterator[GrpcServerTarget]:
    """A code server of the module. It executes no runs, so it needs no landing folder."""
    settings = {
        "SHIFTS_DATABASE_URL": database_url,
        "SHIFTS_DAGSTER_DATABASE_URL": dagster_database_url,
        "SHIFTS_LANDING_URL": "/nowhere",
    }
    with code_server(settings) as found:
        yield found


@pytest.fixture
def two_files(pipeline: Pipeline) -> Pipeline:
    """Two files of the same region and weeks, with clusters and shifts of both."""
    pipeline.put("kept.csv", commuters(KEPT))
    pipeline.put("gone.csv", commuters(GONE))
    settle(pipeline)
    ((clusters,),) = pipeline.query("SELECT count(*) FROM shifts.clusters")
    ((shifts,),) = pipeline.query("SELECT count(*) FROM shifts.shifts")
    assert (clusters, shifts > 2) == (4, True)
    return pipeline
