"""Advisory locks of workers: one for each file being loaded, one for each run.

The server releases a lock when its connection ends, so a held lock proves that the worker process is alive.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg


@contextmanager
def file_lock(connection: psycopg.Connection, name: str) -> Iterator[None]:
    """Waits until no other worker holds the file's lock, then holds it for the block."""
    connection.execute("SELECT pg_advisory_lock(shifts_store.file_lock(%s))", [name])
    connection.commit()
    try:
        yield
    finally:
        # A broken connection has released its locks already, and its own error must propagate.
        with suppress(psycopg.Error):
            connection.rollback()
            connection.execute("SELECT pg_advisory_unlock(shifts_store.file_lock(%s))", [name])
            connection.commit()


def locked_files(connection: psycopg.Connection, names: Sequence[str]) -> set[str]:
    """Those files that a live worker is loading. `connection` must be in autocommit mode."""
    rows = connection.execute(
        "SELECT name FROM unnest(%s::text[]) AS name"
        " WHERE NOT pg_try_advisory_xact_lock(shifts_store.file_lock(name))",
        [list(names)],
    )
    return {name for (name,) in rows}


def lock_run(connection: psycopg.Connection, run_id: str) -> None:
    """Takes the run's lock and holds it until the connection is closed."""
    connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [_run_lock(run_id)])


def is_run_locked(connection: psycopg.Connection, run_id: str) -> bool:
    """Whether a live worker holds the run's lock. `connection` must be in autocommit mode."""
    row = connection.execute(
        "SELECT NOT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [_run_lock(run_id)]
    ).fetchone()
    return bool(row and row[0])


def _run_lock(run_id: str) -> str:
    return f"run:{run_id}"
