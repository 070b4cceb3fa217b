"""Brings both databases to this version of the program, and creates them where they are missing."""

import psycopg
from sqlalchemy import make_url

from shifts_platform import schema
from shifts_platform.errors import PlatformError, one_line
from shifts_platform.project_files import project_file

OLDEST_POSTGRES = 140000
OLDEST_POSTGIS = (3, 2)


def migrate_trips_database(url: str) -> list[str]:
    """Applies `sql/trips_db`; returns the names of what was applied.

    Raises:
        PlatformError: the server is too old, has no PostGIS, or refuses a file.
    """
    with _connect(url) as connection:
        _check_server(connection)
        return schema.upgrade(connection, project_file("sql/trips_db"), ["shifts_store", "shifts"])


def migrate_dagster_database(url: str) -> list[str]:
    """Applies `sql/dagster_db` beside Dagster's own tables, which Dagster has made before.

    Raises:
        PlatformError: the server refuses a file.
    """
    with _connect(url) as connection:
        return schema.upgrade(connection, project_file("sql/dagster_db"), ["shifts_feed"])


def ensure_database(url: str) -> None:
    """Creates the database of a URL if the server does not have it.

    Raises:
        PlatformError: the server is not there, or the user may not create databases.
    """
    name = make_url(url).database
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        if error.sqlstate != "3D000" and f'database "{name}" does not exist' not in str(error):
            raise PlatformError(f"database {name}: {one_line(error)}") from error
    else:
        return
    server = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    with _connect(server) as connection:
        try:
            connection.execute(
                psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name or ""))
            )
        except psycopg.errors.DuplicateDatabase:
            pass
        except psycopg.Error as error:
            raise PlatformError(
                f"database {name} does not exist and cannot be created: {one_line(error)}"
            ) from error


def is_noted(url: str, what: str) -> bool:
    """Whether `note` was called for this database."""
    with _connect(url) as connection:
        schema.ensure_history(connection)
        statement = "SELECT FROM public.shifts_migrations WHERE name = %s"
        return connection.execute(statement, [what]).fetchone() is not None


def note(url: str, what: str) -> None:
    """Records a step that was done by others, as Dagster's own migration."""
    with _connect(url) as connection:
        schema.ensure_history(connection)
        connection.execute(
            "INSERT INTO public.shifts_migrations (name, checksum) VALUES (%s, '') ON CONFLICT DO NOTHING",
            [what],
        )


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
