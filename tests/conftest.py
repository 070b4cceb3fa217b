"""Real servers for the tests: a private PostgreSQL server with PostGIS, and databases on it.

With `SHIFTS_TEST_CITUS`, the trips databases are on that cluster instead (tests/citus.py).
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from shifts_platform.dagster_storage import share_connections
from shifts_platform.migrations.databases import migrate_dagster_database, migrate_trips_database
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.citus import CITUS_URL, cluster_database, freeze
from tests.database import allow_other_users

_numbers = itertools.count(1)
# All servers of the tests speak HTTP, but each new client would read the certificates of the system for 40 ms.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.devnull
# Dagster would start four processes for each run, to copy what it prints.
NO_LOGS = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
SLOWEST = ("tests/integration/platform/", "tests/integration/page/")
# The server needs no durability: nothing outlives the test run.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "256MB"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take longest: the last one of a worker would keep the other waiting."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOWEST))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A private server on a free port."""
    folder = tmp_path_factory.mktemp("postgres")
    allow_other_users(folder)
    server = EmbeddedPostgres(folder / "server", extra_settings=FAST)
    server.prepare()
    server.start(folder / "server.log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def trips_template(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a migrated trips database without rows."""
    if CITUS_URL:
        name = f"template_{os.getpid()}"
        with cluster_database(name) as url:
            migrate_trips_database(url)
            freeze(name)
            yield name
        return
    server: EmbeddedPostgres = request.getfixturevalue("postgres_server")
    with _admin(server) as connection:
        connection.execute("CREATE DATABASE shifts_template")
    migrate_trips_database(server.url("shifts_template"))
    yield "shifts_template"


@pytest.fixture(scope="module")
def database_url(request: pytest.FixtureRequest, trips_template: str) -> Iterator[str]:
    """A fresh, migrated trips database for a module."""
    name = f"db_{os.getpid()}_{next(_numbers)}"
    found = (
        cluster_database(name, trips_template)
        if CITUS_URL
        else copied_database(request.getfixturevalue("postgres_server"), trips_template)
    )
    with found as url:
        yield url


@pytest.fixture(scope="session")
def _dagster_template(postgres_server: EmbeddedPostgres, trips_template: str) -> str:
    name = "dagster_template"
    with _admin(postgres_server) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with dagster_instance(postgres_server.url(name)):
        pass
    migrate_dagster_database(postgres_server.url(name))
    return name


@pytest.fixture(scope="module")
def dagster_database_url(postgres_server: EmbeddedPostgres, _dagster_template: str) -> Iterator[str]:
    """A fresh database for Dagster with its tables and the feed, for a module."""
    with copied_database(postgres_server, _dagster_template) as url:
        yield url


@pytest.fixture
def instance(dagster_database_url: str) -> Iterator[dg.DagsterInstance]:
    """A real Dagster instance on the module's database."""
    with dagster_instance(dagster_database_url) as found:
        yield found


@contextmanager
def dagster_instance(url: str, **settings: object) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance whose storage is a PostgreSQL database, and further settings of `dagster.yaml`."""
    address = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    overrides = {"storage": {"postgres": {"postgres_url": address}}, "compute_logs": NO_LOGS, **settings}
    with dg.instance_for_test(overrides=overrides) as found:
        parts = found.run_storage, found.event_log_storage, found.schedule_storage
        connections = share_connections(address, *parts)
        try:
            yield found
        finally:
            connections.dispose()


@contextmanager
def copied_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A copy of a database that nobody is connected to, while in the block; the block gets its URL."""
    name = f"db_{next(_numbers)}"
    with _admin(server) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    yield server.url(name)
    with _admin(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _admin(server: EmbeddedPostgres) -> psycopg.Connection:
    return psycopg.connect(server.url("postgres"), autocommit=True)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """An empty landing folder."""
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder
