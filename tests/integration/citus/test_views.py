"""Every view answers for a plain reader on a cluster, and as on one server."""

import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from shifts_core.clustering.estimator import TripClusterer
from shifts_core.schema import views
from shifts_core.shifts.parameters import ShiftParameters
from shifts_pipeline.storage.refresh_week import RefreshRequest, refresh_week
from shifts_pipeline.storage.region_week import DERIVED_TABLES
from shifts_pipeline.storage.shifts.run import refresh_shifts
from shifts_pipeline.storage.shifts.state import MakingOptions
from shifts_platform.migrations.databases import ensure_database, migrate_trips_database
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.citus import needs_citus
from tests.database import query
from tests.integration.loading.loading import Loader
from tests.integration.loading.shift_weeks import request
from tests.integration.pipeline.commuters import MONDAY, commuters

pytestmark = needs_citus

VIEWS = sorted(name for name in views.metadata.tables if name.startswith("shifts."))
CHANGING = {"task_id", "run_id", "uri", "queued_at", "finished_at"}
"""Columns of files that differ from load to load."""
READER = "reader_of_cluster"


@pytest.fixture
def filled(loader: Loader) -> Loader:
    fill(loader)
    return loader


@pytest.fixture
def one_server(postgres_server: EmbeddedPostgres, tmp_path: Path) -> Loader:
    """The same rows on one server."""
    url = postgres_server.url("one_server")
    ensure_database(url)
    migrate_trips_database(url)
    landing = tmp_path / "one_server"
    landing.mkdir()
    found = Loader(url, landing)
    found.empty()
    fill(found)
    return found


@pytest.fixture
def reader(filled: Loader) -> Iterator[str]:
    """The URL of the cluster for a login that is a member of `shifts_reader` and nothing else."""
    filled.execute(f"CREATE ROLE {READER} LOGIN IN ROLE shifts_reader")
    yield make_url(filled.url).set(username=READER, password=None).render_as_string()
    filled.execute(f"DROP ROLE {READER}")


def fill(loader: Loader) -> None:
    """Trips, clusters, shifts, zones and stops."""
    for number, region in enumerate(("Turin", "Prague", "Oslo", "Lyon")):
        loader.put(f"{region}.csv", commuters(45.0 + number, region=region).encode())
        loader.load(f"{region}.csv")
    loader.execute(
        "SELECT shifts_store.put_zones('{old_town,everywhere}', '{Turin,NULL}', ARRAY["
        "ST_AsBinary('POLYGON((7 44,8 44,8 48,7 48,7 44))'::geometry),"
        "ST_AsBinary('POLYGON((7 44,8 44,8 48,7 48,7 44))'::geometry)])"
    )
    with psycopg.connect(loader.url, autocommit=True) as connection:
        for week in (MONDAY, date(2018, 6, 4)):
            done = refresh_week(
                connection,
                week,
                RefreshRequest(DERIVED_TABLES, [], True, "run", TripClusterer, logging.getLogger(__name__)),
            )
            assert (done.pairs, done.failures) == (4, [])
        assert refresh_shifts(connection, request(options=MakingOptions(ShiftParameters(), 4))).failures == []


def rows(url: str, view: str) -> list[str]:
    """The rows of a view as text, sorted."""
    columns = [name for name in views.metadata.tables[view].c.keys() if name not in CHANGING]  # noqa: SIM118
    return sorted(str(row) for row in query(url, f"SELECT {', '.join(columns)} FROM {view}"))


def test_every_view_answers_for_a_reader_as_on_one_server(reader: str, one_server: Loader) -> None:
    found = {view: rows(reader, view) for view in VIEWS}
    assert found == {view: rows(one_server.url, view) for view in VIEWS}
    assert [view for view in VIEWS if not found[view]] == ["shifts.stops"]


def test_a_reader_reads_no_key(reader: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(reader, "SELECT * FROM shifts_store.api_keys")
