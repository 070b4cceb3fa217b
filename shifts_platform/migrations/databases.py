"""The two databases: created where they are missing, upgraded to this version, or compared with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from shifts_platform.errors import PlatformError, one_line
from shifts_platform.migrations.citus import is_distributed
from shifts_platform.migrations.dagster_tables import (
    dagster_script,
    migrate_dagster_tables,
    write_dagster_home,
)
from shifts_platform.migrations.files import SqlFiles, read_sql_files
from shifts_platform.migrations.history import create_history, read_history, record
from shifts_platform.migrations.pending import pending_scripts
from shifts_platform.migrations.upgrade import upgrade
from shifts_platform.project_files import project_file

OLDEST_POSTGRES = 140000
OLDEST_POSTGIS = (3, 2)


@dataclass(frozen=True)
class _Database:
    """One of the two databases."""

    folder: str
    schemas: Sequence[str]
    """Those whose functions and views all come from the folder."""
    placement: str | None = None
    """The folder with the placement of its tables on several servers."""

    @property
    def files(self) -> SqlFiles:
        return read_sql_files(
            project_file(self.folder), None if self.placement is None else project_file(self.placement)
        )


_TRIPS = _Database("sql/trips_db", ("shifts_store", "shifts"), "sql/citus")
_DAGSTER = _Database("sql/dagster_db", ("shifts_feed",))


def migrate_all(environment: Mapping[str, str], folder: Path) -> None:
    """Brings both databases to this version, including Dagster's own tables.

    Args:
        environment: with the URLs of both databases.
        folder: the data folder, for Dagster's configuration.

    Raises:
        PlatformError: a server does not answer, is too old, or refuses a statement.
    """
    trips, dagster = _urls(environment)
    write_dagster_home(folder / "dagster")
    ensure_database(trips)
    ensure_database(dagster)
    migrate_trips_database(trips)
    with _connect(dagster) as connection:
        if dagster_script().name not in read_history(connection):
            migrate_dagster_tables(environment)
            create_history(connection)
            record(connection, dagster_script())
    migrate_dagster_database(dagster)


def find_pending(environment: Mapping[str, str]) -> list[str]:
    """The steps of the next `migrate_all`, from reading both databases; empty when they are at this version.

    Raises:
        PlatformError: a server does not answer, or the history of a database does not fit this version.
    """
    return [
        step
        for url, database in zip(_urls(environment), (_TRIPS, _DAGSTER), strict=True)
        for step in _steps(database, *_read_state(url))
    ]


def steps_of_new_databases() -> list[str]:
    """The steps of `migrate_all` for a server that has neither database."""
    return [*_steps(_TRIPS, None), *_steps(_DAGSTER, None)]


def migrate_trips_database(url: str) -> list[str]:
    """Applies `sql/trips_db`; returns the names of the scripts that were pending.

    Raises:
        PlatformError: the server is too old, has no PostGIS, or refuses a statement.
    """
    with _connect(url) as connection:
        _check_server(connection)
        return upgrade(connection, _TRIPS.files, _TRIPS.schemas)


def migrate_dagster_database(url: str) -> list[str]:
    """Applies `sql/dagster_db` to a database that has Dagster's tables; returns the scripts that were pending.

    Raises:
        PlatformError: the server refuses a statement.
    """
    with _connect(url) as connection:
        return upgrade(connection, _DAGSTER.files, _DAGSTER.schemas)


def database_exists(url: str) -> bool:
    """Whether the server has the database of a URL.

    Raises:
        PlatformError: the server does not answer, or refuses the user.
    """
    name = make_url(url).database
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        if error.sqlstate != "3D000" and f'database "{name}" does not exist' not in str(error):
            raise PlatformError(f"database {name}: {one_line(error)}") from error
        return False
    return True


def ensure_database(url: str) -> None:
    """Creates the database of a URL if the server does not have it.

    Raises:
        PlatformError: the server does not answer, or the user may not create databases.
    """
    if database_exists(url):
        return
    name = make_url(url).database or ""
    server = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    with _connect(server) as connection:
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateDatabase:
            pass
        except psycopg.Error as error:
            raise PlatformError(
                f"database {name} does not exist and cannot be created: {one_line(error)}"
            ) from error


def _read_state(url: str) -> tuple[dict[str, str] | None, bool]:
    """The history of a database, and whether it has workers; None for one that does not exist."""
    if not database_exists(url):
        return None, False
    with _connect(url) as connection:
        connection.execute("SET default_transaction_read_only = on")
        return read_history(connection), is_distributed(connection)


def _steps(database: _Database, history: dict[str, str] | None, has_workers: bool = False) -> list[str]:
    files = database.files
    steps = [f"create the database of {database.folder}"] if history is None else []
    history = history or {}
    if database is _DAGSTER and dagster_script().name not in history:
        steps.append(f"tables of {dagster_script().name}")
    return steps + [script.name for script in pending_scripts(files, history, has_workers=has_workers)]


def _urls(environment: Mapping[str, str]) -> tuple[str, str]:
    """The trips database and Dagster's, without SQLAlchemy's driver."""
    dagster = make_url(environment["SHIFTS_DAGSTER_DATABASE_URL"]).set(drivername="postgresql")
    return environment["SHIFTS_DATABASE_URL"], dagster.render_as_string(hide_password=False)


def _connect(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        address = make_url(url)
        raise PlatformError(f"database {address.database} on {address.host}: {one_line(error)}") from error


def _check_server(connection: psycopg.Connection) -> None:
    if connection.info.server_version < OLDEST_POSTGRES:
        raise PlatformError(
            f"PostgreSQL {connection.info.server_version // 10000} is too old: 14 or later is needed"
        )
    row = connection.execute(
        "SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'"
    ).fetchone()
    if row is None:
        raise PlatformError(
            "the server has no PostGIS: install its package on the server (postgresql-NN-postgis-3)"
        )
    if tuple(int(part) for part in row[0].split(".")[:2]) < OLDEST_POSTGIS:
        raise PlatformError(f"PostGIS {row[0]} is too old: 3.2 or later is needed")
