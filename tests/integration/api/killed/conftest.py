"""A server that tests kill, the service on it, and two files whose pairs are fresh."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import numpy as np
import psycopg
import pytest

from shifts_pipeline.sensors import lost_workers as lost_workers_module
from shifts_pipeline.sensors import refresh_plan
from shifts_platform.migrations.databases import (
    ensure_database,
    migrate_dagster_database,
    migrate_trips_database,
)
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.conftest import FAST, dagster_instance
from tests.database import allow_other_users
from tests.integration.api.killed.recovery import drop
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, running
from tests.integration.api.test_segments import Work
from tests.integration.loading.loading import Loader
from tests.integration.loading.server import Server
from tests.integration.pipeline.harness import Pipeline


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
