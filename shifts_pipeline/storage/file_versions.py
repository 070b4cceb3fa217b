"""What the versions of one name, and copies of it under other names, do to each other in the ledger.

The newest good version of a name counts, and a set of bytes counts once, under however many names. docs/loading.md
has the table of all cases. Everything here happens in the transaction that loads the new version.
"""

import psycopg

from shifts_pipeline.storage import ledger
from shifts_pipeline.storage.ledger import FileRecord

REQUEST_PREFIX = "request-"
"""Of the `version` of a request for whatever lies under a name; it is no version of the file."""


def lock(connection: psycopg.Connection, name: str, original: FileRecord | None) -> bool:
    """Locks the loaded version of a name, and the original of its new version, against other workers.

    All are locked in one order, so that two names that swap their bytes cannot deadlock.

    Returns:
        Whether the original is loaded still; True without one.
    """
    rows = connection.execute(
        """
        SELECT file_id, status = 'loaded' FROM shifts_store.trip_files
        WHERE kind = 'file' AND (name = %(name)s AND status = 'loaded' OR file_id = %(original)s)
        ORDER BY file_id FOR UPDATE
        """,
        {"name": name, "original": original.file_id if original else None},
    ).fetchall()
    return original is None or (original.file_id, True) in rows


def make_way(connection: psycopg.Connection, record: FileRecord, original: FileRecord | None) -> list[int]:
    """Supersedes the other versions of a name, whose newest version is good, and deletes their rows.

    Rows that a file of another name needs, too, are handed over to it instead. `lock` comes first.

    Args:
        connection: the transaction of the load.
        record: the newest version.
        original: the loaded file that has the same bytes; its rows stay.

    Returns:
        Files whose bookings under regions and weeks must be removed before the commit.
    """
    kept = [record.file_id, original.file_id if original else record.file_id]
    gone: list[int] = []
    for old in ledger.versions_of(connection, record.name):
        if old.status == "loaded" and old.file_id not in kept and not _promote_duplicate(connection, old):
            delete_rows(connection, old.file_id)
            gone.append(old.file_id)
    _supersede(connection, record.name, kept)
    return gone


def delete_rows(connection: psycopg.Connection, file_id: int) -> None:
    """Deletes a file's trips and rejects; its regions and weeks stay unlocked, however long that takes."""
    connection.execute("SELECT shifts_store.delete_rows(%s)", [file_id])


def requeue_copies(connection: psycopg.Connection, file_id: int) -> None:
    """Queues the copies of a file whose bytes were changed in place: they are no copies any more."""
    connection.execute(
        """
        UPDATE shifts_store.trip_files
        SET status = 'queued', duplicate_of = NULL, run_request_id = NULL, requested_at = NULL, attempts = 0
        WHERE duplicate_of = %s AND status = 'duplicate' AND NOT starts_with(version, %s)
        """,
        [file_id, REQUEST_PREFIX],
    )


def _supersede(connection: psycopg.Connection, name: str, kept: list[int]) -> None:
    """Ends every other settled version of the name; open ones are answered when this one is committed."""
    connection.execute(
        """
        UPDATE shifts_store.trip_files
        SET status = 'superseded', duplicate_of = NULL, published_at = coalesce(published_at, clock_timestamp())
        WHERE kind = 'file' AND name = %s AND status IN ('loaded', 'duplicate', 'failed')
            AND file_id <> ALL (%s)
        """,
        [name, kept],
    )


def _promote_duplicate(connection: psycopg.Connection, old: FileRecord) -> bool:
    """Gives a loaded version's rows to a copy of another name: the two exchange their places in the ledger.

    The rows stay counted all the time, even if the copy's file is gone by now. False if there is no copy.
    """
    copy = connection.execute(
        """
        SELECT file_id FROM shifts_store.trip_files
        WHERE duplicate_of = %s AND status = 'duplicate' AND name <> %s AND NOT starts_with(version, %s)
        ORDER BY file_id LIMIT 1 FOR UPDATE
        """,
        [old.file_id, old.name, REQUEST_PREFIX],
    ).fetchone()
    if copy is None:
        return False
    connection.execute("SELECT shifts_store.promote_duplicate(%s, %s)", [old.file_id, *copy])
    return True
