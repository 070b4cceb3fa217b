"""The schema of one database, from a folder of SQL files: numbered migrations, functions, views and grants.

`migrations/NNNN_name.sql` run once, in order, and are never edited. `functions/*.sql` and `views/*.sql` are applied
again when one of them, or a table, changed. `grants/*.sql` run each time, because roles belong to the server and are
not part of a dump.
"""

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from shifts_platform.errors import PlatformError, one_line
from shifts_platform.repeatable import apply_definitions

_LOCK = 7265398
_LOCK_TIMEOUT = "30s"
"""For each lock on a table: waiting longer would hold up everyone who comes behind."""
_ATTEMPTS = 5
_TRANSIENT = (psycopg.errors.DeadlockDetected, psycopg.errors.InternalError_)
"""Others may create partitions, or the same role in another database of the server, at the same moment."""


@dataclass(frozen=True)
class _Script:
    """One SQL file, or several that are applied together."""

    name: str
    """As it is recorded: `trips_db/migrations/0001_name.sql`."""
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def upgrade(connection: psycopg.Connection, folder: Path, schemas: Sequence[str]) -> list[str]:
    """Applies what is missing in one transaction, so that it is there whole or not at all.

    Args:
        connection: in autocommit mode.
        folder: with the sub-folders `migrations`, `functions`, `views` and `grants`.
        schemas: those whose functions and views are defined by the folder.

    Returns:
        The names of what was applied; grants are not counted.

    Raises:
        PlatformError: a file is refused, was edited after it had been applied, or the database is of a newer version.
    """
    migrations = _read_migrations(folder)
    definitions = [_read(path) for kind in ("functions", "views") for path in _files(folder / kind)]
    together = _Script(
        f"{folder.name}/functions and views",
        "\n".join(f"-- {script.name}\n{script.text}" for script in definitions),
    )
    grants = [_read(path) for path in _files(folder / "grants")]
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connection.transaction():
                return _upgrade(connection, folder.name, migrations, definitions, together, grants, schemas)
        except PlatformError as error:
            if attempt == _ATTEMPTS or not isinstance(error.__cause__, _TRANSIENT):
                raise
            time.sleep(0.2 * attempt)
    raise AssertionError


def ensure_history(connection: psycopg.Connection) -> None:
    """Creates the table of what was applied if it is missing."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS public.shifts_migrations"
        " (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )


def _upgrade(
    connection: psycopg.Connection,
    area: str,
    migrations: Sequence[_Script],
    definitions: Sequence[_Script],
    together: _Script,
    grants: Sequence[_Script],
    schemas: Sequence[str],
) -> list[str]:
    # Only what comes with PostgreSQL is found without its schema: nothing that others made can take its place.
    connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
    # One session at a time in this database; a second one waits here and then finds nothing to do.
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    ensure_history(connection)
    known: dict[str, str] = dict(
        connection.execute(
            "SELECT name, checksum FROM public.shifts_migrations WHERE starts_with(name, %s)", [f"{area}/"]
        ).fetchall()
    )
    applied = []
    for script in _pending(area, migrations, known):
        _execute(connection, script)
        _record(connection, script)
        applied.append(script.name)
    if applied or known.get(together.name) != together.checksum:
        apply_definitions(connection, schemas, partial(_execute_all, connection, definitions))
        _record(connection, together)
        applied.append(together.name)
    _execute_all(connection, grants)
    return applied


def _pending(area: str, migrations: Sequence[_Script], known: dict[str, str]) -> Sequence[_Script]:
    recorded = sorted(name for name in known if name.startswith(f"{area}/migrations/"))
    for script, name in zip(migrations, recorded, strict=False):
        if script.name < name:
            raise PlatformError(f"{script.name} was never applied, but {name}, a later one, was")
        if script.name > name:
            raise PlatformError(f"{name} was applied to the database, but is not part of this program")
        if script.checksum != known[name]:
            raise PlatformError(
                f"{name} was edited after it had been applied: restore its text, and write the change"
                " into a new migration"
            )
    if len(recorded) > len(migrations):
        raise PlatformError(
            f"the database is of a newer version than this program: it has {recorded[len(migrations)]}"
        )
    return migrations[len(recorded) :]


def _execute_all(connection: psycopg.Connection, scripts: Sequence[_Script]) -> None:
    for script in scripts:
        _execute(connection, script)


def _execute(connection: psycopg.Connection, script: _Script) -> None:
    try:
        connection.execute(script.text.encode())
    except psycopg.errors.LockNotAvailable as error:
        raise PlatformError(
            f"{script.name}: somebody else uses the tables (a dump, a load, a long query): try again later"
        ) from error
    except psycopg.Error as error:
        raise PlatformError(f"{script.name} cannot be applied: {one_line(error)}") from error


def _record(connection: psycopg.Connection, script: _Script) -> None:
    connection.execute(
        "INSERT INTO public.shifts_migrations (name, checksum) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now()",
        [script.name, script.checksum],
    )


def _read_migrations(folder: Path) -> list[_Script]:
    paths = _files(folder / "migrations")
    for number, path in enumerate(paths, start=1):
        if not re.fullmatch(rf"{number:04}_[a-z0-9_]+\.sql", path.name):
            raise PlatformError(f"{path.name}: a migration with the number {number:04} is expected here")
    return [_read(path) for path in paths]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sql"))


def _read(path: Path) -> _Script:
    return _Script(f"{path.parents[1].name}/{path.parent.name}/{path.name}", path.read_text(encoding="utf-8"))
