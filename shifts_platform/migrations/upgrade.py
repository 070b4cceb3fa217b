"""Applies the SQL files of one database, in one transaction."""

import time
from collections.abc import Sequence
from functools import partial

import psycopg

from shifts_platform.errors import PlatformError, one_line
from shifts_platform.migrations.citus import is_distributed
from shifts_platform.migrations.definitions import replace_definitions
from shifts_platform.migrations.files import Script, SqlFiles
from shifts_platform.migrations.history import create_history, read_history, record
from shifts_platform.migrations.pending import pending_scripts

_LOCK = 7265398
_LOCK_TIMEOUT = "30s"
"""For each lock on a table: a longer wait would block all later users of the table."""
_ATTEMPTS = 5
_TRANSIENT = (psycopg.errors.DeadlockDetected, psycopg.errors.InternalError_)
"""Others may create partitions, or the same role in another database of the server, at the same moment."""


def upgrade(connection: psycopg.Connection, files: SqlFiles, schemas: Sequence[str]) -> list[str]:
    """Applies what is pending, all or nothing; grants are applied in any case.

    Args:
        connection: in autocommit mode.
        files: of the database.
        schemas: functions and views in them that no file defines are dropped.

    Returns:
        The names of the scripts that were pending.

    Raises:
        PlatformError: a script fails, an applied migration was edited, or the database is of a newer version.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connection.transaction():
                return _upgrade(connection, files, schemas)
        except PlatformError as error:
            if attempt == _ATTEMPTS or not isinstance(error.__cause__, _TRANSIENT):
                raise
            time.sleep(0.2 * attempt)
    raise AssertionError


def _upgrade(connection: psycopg.Connection, files: SqlFiles, schemas: Sequence[str]) -> list[str]:
    # Unqualified names find PostgreSQL's own objects only: none that another user made can take their place.
    connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
    # One upgrade at a time in this database; the next one waits here and finds nothing to do.
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    create_history(connection)
    has_workers = is_distributed(connection)
    if has_workers:
        # Statements that follow each other in a transaction need the same connections to the workers.
        connection.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
    pending = pending_scripts(files, read_history(connection), has_workers=has_workers)
    _execute_all(connection, [script for script in pending if script in files.migrations])
    if files.all_placement in pending:
        _execute_all(connection, files.placement)
    if files.all_definitions in pending:
        replace_definitions(connection, schemas, partial(_execute_all, connection, files.definitions))
    _execute_all(connection, files.grants)
    for script in pending:
        record(connection, script)
    return [script.name for script in pending]


def _execute_all(connection: psycopg.Connection, scripts: Sequence[Script]) -> None:
    for script in scripts:
        try:
            connection.execute(script.text.encode())
        except psycopg.errors.LockNotAvailable as error:
            raise PlatformError(
                f"{script.name}: the tables are in use (by a dump, a load or a long query): try again later"
            ) from error
        except psycopg.Error as error:
            raise PlatformError(f"{script.name} fails: {one_line(error)}") from error
