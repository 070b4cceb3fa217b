"""The ledger, table `trip_files`: one record per file version, and the queries that find records.

Nothing here changes the status of a file: that is left to transitions.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.rows import class_row

FileStatus = Literal["queued", "loading", "loaded", "failed", "duplicate", "superseded"]

REQUEST_PREFIX = "request-"
"""Begins the `version` of an API request for the file of a name; it is not a version of the file."""


@dataclass(frozen=True)
class FileRecord:
    """One file version in the ledger."""

    file_id: int
    uri: str
    name: str
    version: str
    size_bytes: int | None
    content_hash: str | None
    status: FileStatus
    duplicate_of: int | None
    rows_loaded: int
    rows_rejected: int
    task_id: str
    run_request_id: str | None
    requested_at: datetime | None
    attempts: int
    run_id: str | None
    finished_at: datetime | None
    error: str | None

    @property
    def is_open(self) -> bool:
        """Whether the file is still to be loaded."""
        return self.status in ("queued", "loading")


_SELECT = sql.SQL("SELECT {} FROM shifts_store.trip_files f ").format(
    sql.SQL(", ").join(map(sql.Identifier, FileRecord.__dataclass_fields__))
)


def is_any_unfinished(connection: psycopg.Connection) -> bool:
    """Whether any file is queued or loading."""
    return _is_true(
        connection,
        "SELECT EXISTS (SELECT FROM shifts_store.trip_files"
        " WHERE kind = 'file' AND status IN ('queued', 'loading'))",
        [],
    )


def unfinished(connection: psycopg.Connection, limit: int) -> list[FileRecord]:
    """At most `limit` open files without a run request, oldest first, and as many with one, by time of request.

    Files whose retry is due are among the first of the latter.
    """
    is_open = "WHERE kind = 'file' AND status IN ('queued', 'loading') AND requested_at IS "
    return [
        *_records(connection, sql.SQL(is_open + "NOT NULL ORDER BY requested_at, file_id LIMIT %s"), [limit]),
        *_records(connection, sql.SQL(is_open + "NULL ORDER BY file_id LIMIT %s"), [limit]),
    ]


def versions_of(connection: psycopg.Connection, name: str) -> list[FileRecord]:
    """Every version of the file of a name, newest first."""
    return _records(connection, sql.SQL("WHERE kind = 'file' AND name = %s ORDER BY file_id DESC"), [name])


def records(connection: psycopg.Connection, file_ids: Sequence[int]) -> list[FileRecord]:
    """The records of these files, newest first."""
    return _records(connection, sql.SQL("WHERE file_id = ANY (%s) ORDER BY file_id DESC"), [list(file_ids)])


def is_size_loaded(connection: psycopg.Connection, size: int) -> bool:
    """Whether a loaded file has this many bytes. If none has, another file cannot be its duplicate."""
    statement = (
        "SELECT EXISTS (SELECT FROM shifts_store.trip_files WHERE status = 'loaded' AND size_bytes = %s)"
    )
    return _is_true(connection, statement, [size])


def unpublished(connection: psycopg.Connection, limit: int) -> list[FileRecord]:
    """At most `limit` files that ended more than 10 s ago and whose event a lost worker has not published."""
    return _records(
        connection,
        sql.SQL(
            "WHERE kind = 'file' AND published_at IS NULL AND status NOT IN ('queued', 'loading')"
            " AND finished_at < now() - interval '10 seconds' ORDER BY file_id LIMIT %s"
        ),
        [limit],
    )


def mark_published(connection: psycopg.Connection, file_id: int) -> None:
    """Records that the event about the end of a file is published."""
    connection.execute(
        "UPDATE shifts_store.trip_files SET published_at = clock_timestamp() WHERE file_id = %s", [file_id]
    )


def record_error(connection: psycopg.Connection, file_id: int, error: str) -> None:
    """Records why an attempt to load a file failed; its status stays."""
    connection.execute("UPDATE shifts_store.trip_files SET error = %s WHERE file_id = %s", [error, file_id])


def _is_true(connection: psycopg.Connection, statement: str, values: list[object]) -> bool:
    row = connection.execute(statement, values).fetchone()
    return bool(row and row[0])


def _records(
    connection: psycopg.Connection, condition: sql.SQL, values: Sequence[object] = ()
) -> list[FileRecord]:
    with connection.cursor(row_factory=class_row(FileRecord)) as cursor:
        return cursor.execute(_SELECT + condition, values).fetchall()
