"""The ledger, table `trip_files`: one record per file version, and the queries that find records.

Nothing here changes the status of a file: that is left to transitions.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from sqlalchemy import BigInteger, Select, Text, any_, bindparam, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from shifts_core.schema.tables import trip_files
from shifts_pipeline.storage.statements import CompiledStatement, execute, is_any_of

FileStatus = Literal[
    "queued", "loading", "loaded", "failed", "duplicate", "superseded", "deleting", "deleted"
]

REQUEST_PREFIX = "request-"
"""Begins the `version` of an API request for the file of a name; it is not a version of the file."""


@dataclass(frozen=True)
class FileRecord:
    """One file version in the ledger."""

    file_id: int
    kind: Literal["file", "json"]
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

    @property
    def is_posted(self) -> bool:
        """Whether it is a list of trips that a client of the API posted, of which no file exists."""
        return self.kind == "json"

    @property
    def is_deleted(self) -> bool:
        """Whether somebody has asked to delete the file."""
        return self.status in ("deleting", "deleted")


@dataclass(frozen=True)
class DeletionRequests:
    """The files that somebody has asked to delete."""

    names: list[str]
    last_at: datetime
    """When the last request came."""


_FILE = trip_files.c
_RECORDS = select(*(_FILE[name] for name in FileRecord.__dataclass_fields__))
_IS_FILE = is_any_of(_FILE.kind, "file")
_IS_OPEN = is_any_of(_FILE.status, "queued", "loading")
_VERSIONS_OF = CompiledStatement(
    _RECORDS.where(_IS_FILE, _FILE.name == bindparam("name", "")).order_by(_FILE.file_id.desc())
)
_OF_IDS = CompiledStatement(
    _RECORDS.where(_FILE.file_id == any_(bindparam("file_ids", [], type_=ARRAY(BigInteger)))).order_by(
        _FILE.file_id.desc()
    )
)
_HAS_SIZE = _FILE.size_bytes == bindparam("size", 0)
_IS_SIZE_KNOWN = CompiledStatement(
    select(
        or_(
            exists().where(is_any_of(_FILE.status, "loaded"), _HAS_SIZE),
            exists().where(is_any_of(_FILE.status, "deleting", "deleted"), _HAS_SIZE),
        )
    )
)


def is_any_unfinished(connection: psycopg.Connection) -> bool:
    """Whether any file is queued or loading."""
    return _is_true(connection, select(exists().where(_IS_FILE, _IS_OPEN)))


def unfinished(connection: psycopg.Connection, limit: int) -> list[FileRecord]:
    """At most `limit` open files without a run request, oldest first, and as many with one, by time of request.

    Files whose retry is due are among the first of the latter.
    """
    is_open = _RECORDS.where(_IS_FILE, _IS_OPEN).limit(limit)
    requested = is_open.where(_FILE.requested_at.is_not(None)).order_by(_FILE.requested_at, _FILE.file_id)
    new = is_open.where(_FILE.requested_at.is_(None)).order_by(_FILE.file_id)
    return [*_fetch(connection, requested), *_fetch(connection, new)]


def open_names(connection: psycopg.Connection, names: Sequence[str]) -> set[str]:
    """Those of the names that have a queued or loading version."""
    is_named = _FILE.name == any_(literal(list(names), ARRAY(Text)))
    return {name for (name,) in execute(connection, select(_FILE.name).where(_IS_FILE, _IS_OPEN, is_named))}


def versions_of(connection: psycopg.Connection, name: str) -> list[FileRecord]:
    """Every version of the file of a name, newest first."""
    with connection.cursor(row_factory=class_row(FileRecord)) as cursor:
        return _VERSIONS_OF.execute(cursor, name=name).fetchall()


def records(connection: psycopg.Connection, file_ids: Sequence[int]) -> list[FileRecord]:
    """The records of these files, newest first."""
    with connection.cursor(row_factory=class_row(FileRecord)) as cursor:
        return _OF_IDS.execute(cursor, file_ids=list(file_ids)).fetchall()


def is_size_known(connection: psycopg.Connection, size: int) -> bool:
    """Whether a loaded or deleted file has this many bytes. If none has, no file of this size has the same bytes."""
    row = _IS_SIZE_KNOWN.execute(connection, size=size).fetchone()
    return bool(row and row[0])


def refusal(connection: psycopg.Connection, content_hash: str) -> str | None:
    """Why a file with this SHA-256 is refused: it was deleted; None if it is not refused."""
    row = connection.execute("SELECT shifts_store.refusal(%s)", [content_hash]).fetchone()
    return None if row is None else row[0]


def deleting(connection: psycopg.Connection) -> list[FileRecord]:
    """The files that are to be deleted and have no rows any more."""
    has_rows = _FILE.file_id.in_(select(func.shifts_store.deleting_files_with_rows()))
    return _fetch(connection, _RECORDS.where(is_any_of(_FILE.status, "deleting"), ~has_rows))


def deletion_requests(connection: psycopg.Connection) -> DeletionRequests | None:
    """The files that are to be deleted; None if there are none."""
    row = connection.execute(
        "SELECT array_agg(DISTINCT name), max(deletion_requested_at) FROM shifts_store.trip_files"
        " WHERE status = 'deleting' HAVING count(*) > 0"
    ).fetchone()
    return None if row is None else DeletionRequests(*row)


def unpublished(connection: psycopg.Connection, limit: int) -> list[FileRecord]:
    """At most `limit` files that ended more than 10 s ago and whose event a lost worker has not published."""
    has_ended = _FILE.finished_at < func.now() - timedelta(seconds=10)
    return _fetch(
        connection,
        _RECORDS.where(_FILE.published_at.is_(None), ~_IS_OPEN, _FILE.status != "deleting", has_ended)
        .order_by(_FILE.file_id)
        .limit(limit),
    )


def regions_of(connection: psycopg.Connection, file_id: int) -> list[str]:
    """Names of the regions of a file's trips."""
    rows = connection.execute(
        "SELECT r.name FROM shifts_store.regions r WHERE r.region_id IN"
        " (SELECT c.region_id FROM shifts_store.file_week_counts c WHERE c.file_id = %s) ORDER BY r.name",
        [file_id],
    ).fetchall()
    return [name for (name,) in rows]


def mark_published(connection: psycopg.Connection, file_id: int) -> None:
    """Records that the event about the end of a file is published."""
    connection.execute(
        "UPDATE shifts_store.trip_files SET published_at = clock_timestamp() WHERE file_id = %s", [file_id]
    )


def record_error(connection: psycopg.Connection, file_id: int, error: str) -> None:
    """Records why an attempt to load a file failed; its status stays."""
    connection.execute(
        "UPDATE shifts_store.trip_files SET error = %s"
        " WHERE file_id = %s AND status IN ('queued', 'loading')",
        [error, file_id],
    )


def _is_true(connection: psycopg.Connection, statement: Select[bool]) -> bool:
    row = execute(connection, statement).fetchone()
    return bool(row and row[0])


def _fetch(connection: psycopg.Connection, statement: Select[*tuple[Any, ...]]) -> list[FileRecord]:
    with connection.cursor(row_factory=class_row(FileRecord)) as cursor:
        return execute(cursor, statement).fetchall()
