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

from shifts_platform.migrations.databases import migrate_dagster_database, migrate_trips_database
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.citus import CITUS_URL, cluster_database, freeze
from tests.database import allow_other_users

_numbers = itertools.count(1)
# The server needs no durability: nothing outlives the test run.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "256MB"}


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
def _template(request: pytest.FixtureRequest) -> Iterator[str]:
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
def database_url(request: pytest.FixtureRequest, _template: str) -> Iterator[str]:
    """A fresh, migrated trips database for a module."""
    name = f"db_{os.getpid()}_{next(_numbers)}"
    found = (
        cluster_database(name, _template)
        if CITUS_URL
        else _database(request.getfixturevalue("postgres_server"), name, _template)
    )
    with found as url:
        yield url


@pytest.fixture(scope="session")
def _dagster_template(postgres_server: EmbeddedPostgres) -> str:
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
    with _database(postgres_server, f"dagster_{next(_numbers)}", _dagster_template) as url:
        yield url


@pytest.fixture
def instance(dagster_database_url: str) -> Iterator[dg.DagsterInstance]:
    """A real Dagster instance on the module's database."""
    with dagster_instance(dagster_database_url) as found:
        yield found


@contextmanager
def dagster_instance(url: str) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance whose storage is a PostgreSQL database."""
    address = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    with dg.instance_for_test(overrides={"storage": {"postgres": {"postgres_url": address}}}) as found:
        yield found


@contextmanager
def _database(server: EmbeddedPostgres, name: str, template: str) -> Iterator[str]:
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
