"""The ledger's statements: what was dropped, what became of it, and what is still to be done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict, Unpack

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shifts_core.landing.zone import LandedFile

Status = Literal["queued", "loading", "loaded", "failed", "duplicate", "superseded"]


@dataclass(frozen=True)
class FileRecord:
    """One file version in the ledger."""

    file_id: int
    uri: str
    name: str
    version: str
    size_bytes: int | None
    content_hash: str | None
    status: Status
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


class Changes(TypedDict, total=False):
    """Columns that a step may set."""

    version: str
    size_bytes: int
    content_hash: str
    status: Status
    duplicate_of: int | None
    rows_loaded: int
    rows_rejected: int
    run_id: str
    error: str | None


_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, FileRecord.__dataclass_fields__))
_SELECT = sql.SQL("SELECT {} FROM shifts_store.trip_files f ").format(_COLUMNS)


def register(connection: psycopg.Connection, files: Sequence[LandedFile]) -> int:
    """Queues every file version that lies in the landing zone and is new, or came back after another one.

    Returns how many were queued.
    """
    columns = [
        [f.uri for f in files],
        [f.name for f in files],
        [f.version for f in files],
        [f.size for f in files],
    ]
    new = connection.execute(
        """
        INSERT INTO shifts_store.trip_files (uri, name, version, size_bytes)
        SELECT f.uri, f.name, f.version, f.size_bytes
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) WITH ORDINALITY
            AS f (uri, name, version, size_bytes, position)
        WHERE NOT EXISTS (SELECT FROM shifts_store.trip_files k WHERE k.uri = f.uri AND k.version = f.version)
        ORDER BY f.position
        ON CONFLICT (uri, version) DO NOTHING
        """,
        columns,
    )
    back = connection.execute(
        """
        UPDATE shifts_store.trip_files f
        SET status = 'queued', queued_at = clock_timestamp(), run_request_id = NULL, requested_at = NULL,
            attempts = 0, error = NULL
        FROM unnest(%s::text[], %s::text[]) AS present (uri, version)
        WHERE f.uri = present.uri AND f.version = present.version AND f.status = 'superseded'
        """,
        [columns[0], columns[2]],
    )
    return new.rowcount + back.rowcount


def is_any_unfinished(connection: psycopg.Connection) -> bool:
    """Whether any file is queued or loading."""
    return _truth(
        connection,
        "SELECT EXISTS (SELECT FROM shifts_store.trip_files"
        " WHERE kind = 'file' AND status IN ('queued', 'loading'))",
        [],
    )


def unfinished(connection: psycopg.Connection, limit: int) -> list[FileRecord]:
    """At most `limit` files that no run was requested for, oldest first, and as many that one was requested for.

    The latter come in the order of their requests: those whose turn it is to be tried again are among the first.
    """
    is_open = "WHERE kind = 'file' AND status IN ('queued', 'loading') AND requested_at IS "
    return [
        *_records(connection, sql.SQL(is_open + "NOT NULL ORDER BY requested_at, file_id LIMIT %s"), [limit]),
        *_records(connection, sql.SQL(is_open + "NULL ORDER BY file_id LIMIT %s"), [limit]),
    ]


def versions_of(connection: psycopg.Connection, name: str) -> list[FileRecord]:
    """Every version of the file of that name, newest first."""
    return _records(connection, sql.SQL("WHERE kind = 'file' AND name = %s ORDER BY file_id DESC"), [name])


def records(connection: psycopg.Connection, file_ids: Sequence[int]) -> list[FileRecord]:
    """The entries of these files, newest first."""
    return _records(connection, sql.SQL("WHERE file_id = ANY (%s) ORDER BY file_id DESC"), [list(file_ids)])


def loaded_with_size(connection: psycopg.Connection, size: int) -> bool:
    """Whether a loaded file has that many bytes: only then can another be its copy."""
    statement = (
        "SELECT EXISTS (SELECT FROM shifts_store.trip_files WHERE status = 'loaded' AND size_bytes = %s)"
    )
    return _truth(connection, statement, [size])


def loaded_with_hash(connection: psycopg.Connection, content_hash: str) -> FileRecord | None:
    """The loaded file of exactly those bytes."""
    found = _records(
        connection, sql.SQL("WHERE kind = 'file' AND status = 'loaded' AND content_hash = %s"), [content_hash]
    )
    return found[0] if found else None


def unpublished(connection: psycopg.Connection, limit: int) -> list[FileRecord]:
    """At most `limit` files that ended a while ago unannounced, because the worker died in between."""
    return _records(
        connection,
        sql.SQL(
            "WHERE kind = 'file' AND published_at IS NULL AND status NOT IN ('queued', 'loading')"
            " AND finished_at < now() - interval '10 seconds' ORDER BY file_id LIMIT %s"
        ),
        [limit],
    )


def update(connection: psycopg.Connection, file_ids: Iterable[int], **changes: Unpack[Changes]) -> None:
    """Sets columns of entries. An end (loaded, failed, duplicate, superseded) is dated, its news open."""
    assignments: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes
    ]
    if changes.get("status") == "loading":
        assignments.append(sql.SQL("started_at = clock_timestamp(), finished_at = NULL, published_at = NULL"))
    elif changes.get("status") not in (None, "queued"):
        assignments.append(sql.SQL("finished_at = clock_timestamp(), published_at = NULL"))
    statement = sql.SQL("UPDATE shifts_store.trip_files SET {} WHERE file_id = ANY (%(ids)s)")
    connection.execute(statement.format(sql.SQL(", ").join(assignments)), {**changes, "ids": list(file_ids)})


def requested(connection: psycopg.Connection, file_ids: Sequence[int], run_request_id: str) -> None:
    """Notes that a run was asked for, once more, for these files."""
    connection.execute(
        """
        UPDATE shifts_store.trip_files
        SET status = 'queued', run_request_id = %s, requested_at = clock_timestamp(), attempts = attempts + 1
        WHERE file_id = ANY (%s)
        """,
        [run_request_id, file_ids],
    )


def mark_published(connection: psycopg.Connection, file_id: int) -> None:
    """Notes that listeners were told how a file ended."""
    connection.execute(
        "UPDATE shifts_store.trip_files SET published_at = clock_timestamp() WHERE file_id = %s", [file_id]
    )


def follow(connection: psycopg.Connection, file_id: int, file: LandedFile) -> None:
    """An record waits for the version that its file has now; it is tried again after a while."""
    connection.execute(
        """
        UPDATE shifts_store.trip_files
        SET status = 'queued', version = %s, size_bytes = %s,
            run_request_id = NULL, requested_at = clock_timestamp(), attempts = 0
        WHERE file_id = %s
        """,
        [file.version, file.size, file_id],
    )


def release_version(connection: psycopg.Connection, file_ids: Sequence[int]) -> None:
    """Entries no longer stand for versions whose files are gone: one that comes back is queued as a new one."""
    connection.execute(
        "UPDATE shifts_store.trip_files SET version = 'gone-' || file_id WHERE file_id = ANY (%s)", [file_ids]
    )


def postpone(connection: psycopg.Connection, file_ids: Sequence[int], error: str, *, counts: bool) -> None:
    """Leaves files whose try failed through no fault of theirs for later, the longer the longer they have waited.

    Args:
        connection: of the worker.
        file_ids: the files.
        error: what is wrong.
        counts: whether this was one of the tries after which a file is given up.
    """
    connection.execute(
        """
        UPDATE shifts_store.trip_files
        SET status = 'queued', error = %(error)s, attempts = greatest(attempts - %(uncounted)s, 0),
            requested_at = clock_timestamp() + least(
                greatest((clock_timestamp() - queued_at) / 4, interval '1 second'), %(longest)s::interval)
        WHERE file_id = ANY (%(ids)s)
        """,
        {
            "ids": list(file_ids),
            "error": error,
            "uncounted": 0 if counts else 1,
            "longest": "5 minutes" if counts else "30 seconds",
        },
    )


def open_files_of(connection: psycopg.Connection, run_request_id: str | None) -> list[FileRecord]:
    """The files of a run request that no worker has begun."""
    return _records(
        connection,
        sql.SQL("WHERE kind = 'file' AND run_request_id = %s AND status = 'queued'"),
        [run_request_id],
    )


def _truth(connection: psycopg.Connection, statement: str, values: list[object]) -> bool:
    row = connection.execute(statement, values).fetchone()
    return bool(row and row[0])


def _records(
    connection: psycopg.Connection, condition: sql.SQL, values: Sequence[object] = ()
) -> list[FileRecord]:
    with connection.cursor(row_factory=class_row(FileRecord)) as cursor:
        return cursor.execute(_SELECT + condition, values).fetchall()
