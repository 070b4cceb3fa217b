"""Real servers for the tests: a PostgreSQL with PostGIS of their own, and databases on it."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from shifts_platform.embedded_postgres import EmbeddedPostgres
from shifts_platform.migrate import migrate_trips_database

_numbers = itertools.count(1)
# Nothing of a test outlives it: its server need not survive a crash of the machine.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "256MB"}


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server of the tests' own on a free port."""
    folder = tmp_path_factory.mktemp("postgres")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    server = EmbeddedPostgres(folder / "server", extra_settings=_FAST)
    server.prepare()
    server.start(folder / "server.log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _template(postgres_server: EmbeddedPostgres) -> str:
    with _admin(postgres_server) as connection:
        connection.execute("CREATE DATABASE shifts_template")
    migrate_trips_database(postgres_server.url("shifts_template"))
    return "shifts_template"


@pytest.fixture(scope="module")
def database_url(postgres_server: EmbeddedPostgres, _template: str) -> Iterator[str]:
    """A fresh, migrated trips database for a module."""
    name = f"trips_{next(_numbers)}"
    with _admin(postgres_server) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(_template))
        )
    yield postgres_server.url(name)
    with _admin(postgres_server) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _admin(server: EmbeddedPostgres) -> psycopg.Connection:
    return psycopg.connect(server.url("postgres"), autocommit=True)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """An empty landing folder."""
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder
