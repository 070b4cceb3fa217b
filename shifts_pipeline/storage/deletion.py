"""Deletes files that somebody has asked to delete: their rows first, then what lies in the landing zone.

The ledger holds the request, so a deletion that was interrupted continues where it stopped. A file's rows go in one
transaction: answers contain all of them or none.
"""

from collections.abc import Sequence
from itertools import groupby

import psycopg

from shifts_core.landing.errors import FileChanged, LandingZoneError, LandingZoneUnavailable
from shifts_core.landing.zone import LandingZone
from shifts_pipeline.storage import ledger, transitions
from shifts_pipeline.storage.content_hash import sha256_of
from shifts_pipeline.storage.deleted_trips import delete_files
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.segments import SEGMENT_PARAMETERS, segment_parameters


def delete_rows(connection: psycopg.Connection) -> int:
    """Deletes the rows of every file that is to be deleted, and all that was computed with them.

    Returns:
        The number of files that had rows.

    Raises:
        psycopg.Error: the database failed; the rows of some files may be gone, each file's as a whole.
    """
    found = connection.execute("SELECT * FROM shifts_store.deleting_files_with_rows()").fetchall()
    connection.commit()
    for (file_id,) in found:
        _delete_rows(connection, file_id)
        connection.commit()
    return len(found)


def without_rows(connection: psycopg.Connection) -> list[FileRecord]:
    """The files whose rows are deleted, and that are still to be removed from the landing zone."""
    found = ledger.deleting(connection)
    connection.commit()
    return found


def delete_landed(
    connection: psycopg.Connection, zone: LandingZone, records: Sequence[FileRecord]
) -> list[FileRecord]:
    """Removes files from the landing zone, and ends their deletion. What was dropped later under their names stays.

    Returns:
        The records that are deleted now.

    Raises:
        LandingZoneError: the landing zone failed; the rest is to be deleted later.
        psycopg.Error: the database failed.
    """
    deleted: list[FileRecord] = []
    for name, of_name in groupby(
        sorted(records, key=lambda record: record.name), key=lambda record: record.name
    ):
        versions = list(of_name)
        if not versions[0].is_posted:
            _record_hash(connection, zone, versions)
            zone.delete(name, {record.version for record in versions})
        ids = [record.file_id for record in versions]
        transitions.finish_deletion(connection, ids)
        deleted += ledger.records(connection, ids)
        connection.commit()
    return deleted


def _delete_rows(connection: psycopg.Connection, file_id: int) -> None:
    # Another worker at the same file has deleted its rows when the lock is released.
    connection.execute("SELECT FROM shifts_store.trip_files WHERE file_id = %s FOR NO KEY UPDATE", [file_id])
    connection.execute("SELECT shifts_store.note_computed(%s)", [file_id])
    segments = delete_files(connection, [file_id])
    connection.execute(
        f"SELECT shifts_store.finish_row_deletion(%s, {SEGMENT_PARAMETERS})",
        [file_id, *segment_parameters(segments)],
    )


def _record_hash(connection: psycopg.Connection, zone: LandingZone, versions: Sequence[FileRecord]) -> None:
    """Records the hash of bytes that were never loaded, by which they are refused later."""
    unknown = {record.version: record for record in versions if record.content_hash is None}
    try:
        file = zone.find(versions[0].name) if unknown else None
        if file is None or file.version not in unknown:
            return
        content_hash = sha256_of(file, zone)
    except LandingZoneUnavailable:
        raise
    except (LandingZoneError, FileChanged):
        return
    connection.execute(
        "UPDATE shifts_store.trip_files SET content_hash = %s WHERE file_id = %s",
        [content_hash, unknown[file.version].file_id],
    )
