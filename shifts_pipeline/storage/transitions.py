"""The transitions of a file's status: calls of the functions of file_transitions.sql and its neighbours.

A transition that is not allowed from the present status raises `psycopg.DatabaseError` with SQLSTATE SH409.
"""

from collections.abc import Sequence

import psycopg

from shifts_core.landing.zone import LandedFile
from shifts_core.tiles.segment import Segment
from shifts_core.trips.report import LoadReport
from shifts_pipeline.storage.deleted_trips import delete_files
from shifts_pipeline.storage.segments import SEGMENT_PARAMETERS, segment_parameters


def register(connection: psycopg.Connection, files: Sequence[LandedFile]) -> int:
    """Queues each file version that is new, or back after another version; returns how many."""
    row = connection.execute(
        "SELECT shifts_store.register_files(%s::text[], %s::text[], %s::text[], %s::bigint[])",
        [
            [file.uri for file in files],
            [file.name for file in files],
            [file.version for file in files],
            [file.size for file in files],
        ],
    ).fetchone()
    assert row is not None
    return int(row[0])


def request_run(connection: psycopg.Connection, file_ids: Sequence[int], run_request_id: str) -> None:
    """Open files → queued: a run is requested for them; each request counts as an attempt."""
    connection.execute("SELECT shifts_store.request_run(%s::bigint[], %s)", [list(file_ids), run_request_id])


def begin(connection: psycopg.Connection, file_id: int, run_id: str) -> None:
    """Queued, failed or duplicate → loading."""
    connection.execute("SELECT shifts_store.begin_file(%s, %s)", [file_id, run_id])


def finish(
    connection: psycopg.Connection, file_id: int, report: LoadReport, deleted: Sequence[Segment] = ()
) -> bool:
    """Loading → loaded; supersedes older versions of the name, deletes their rows, and records counts and segments.

    It locks the (region, week) pairs: commit right after it.

    Args:
        connection: the transaction of the load.
        file_id: of the file.
        report: of the load.
        deleted: segments that subtract the file's trips of before, if it was loaded again.

    Returns:
        False, with nothing changed, if a file of the same bytes is loaded already.

    Raises:
        psycopg.errors.UniqueViolation: another worker has committed a file of the same bytes meanwhile.
    """
    row = connection.execute(
        "SELECT shifts_store.supersede_loaded(%s, %s)", [file_id, report.content_hash]
    ).fetchone()
    assert row is not None
    (gone,) = row
    if gone is None:
        return False
    segments = [*report.segments, *deleted, *delete_files(connection, gone)]
    weeks = report.weeks
    connection.execute(
        "SELECT shifts_store.finish_load(%s, %s, %s, %s, %s::bigint[], %s::integer[], %s::date[], %s::bigint[],"
        f" %s::timestamp[], %s::timestamp[], {SEGMENT_PARAMETERS})",
        [
            file_id,
            report.content_hash,
            report.rows_loaded,
            report.rows_rejected,
            gone,
            [count.region_id for count in weeks],
            [count.week for count in weeks],
            [count.trips for count in weeks],
            [count.first_at for count in weeks],
            [count.last_at for count in weeks],
            *segment_parameters(segments),
        ],
    )
    return True


def finish_duplicate(connection: psycopg.Connection, file_id: int, content_hash: str) -> bool:
    """Loading → duplicate of the loaded file with this SHA-256; supersedes older versions of the name.

    Rows of these versions, and those of the file itself if it was loaded before, are deleted.

    Returns:
        False, with nothing changed, if no other file of these bytes is loaded.
    """
    row = connection.execute(
        "SELECT original, gone FROM shifts_store.supersede_by_duplicate(%s, %s)", [file_id, content_hash]
    ).fetchone()
    assert row is not None
    original, gone = row
    if original is None:
        return False
    segments = delete_files(connection, gone)
    connection.execute(
        f"SELECT shifts_store.finish_duplicate(%s, %s, %s, %s::bigint[], {SEGMENT_PARAMETERS})",
        [file_id, original, content_hash, gone, *segment_parameters(segments)],
    )
    return True


def mark_duplicates(
    connection: psycopg.Connection, file_ids: Sequence[int], original: int, run_id: str
) -> None:
    """Open requests → duplicate of the file that was loaded for them."""
    connection.execute(
        "SELECT shifts_store.mark_duplicates(%s::bigint[], %s, NULL, %s)", [list(file_ids), original, run_id]
    )


def fail(
    connection: psycopg.Connection,
    file_ids: Sequence[int],
    error: str,
    *,
    run_id: str | None = None,
    is_gone: bool = False,
) -> None:
    """Open files → failed; with `is_gone`, because they have left the landing zone."""
    connection.execute(
        "SELECT shifts_store.fail_files(%s::bigint[], %s, %s, %s)", [list(file_ids), error, run_id, is_gone]
    )


def fail_reload(connection: psycopg.Connection, file_id: int, error: str) -> None:
    """Loaded → loaded: loading the file again failed, and the rows of before stay."""
    connection.execute("SELECT shifts_store.fail_reload(%s, %s)", [file_id, error])


def retry(
    connection: psycopg.Connection,
    file_ids: Sequence[int],
    error: str,
    *,
    counts: bool,
    run_request_id: str | None = None,
) -> None:
    """Open files → queued, with a pause that grows with the time they have waited.

    Args:
        connection: of the worker.
        file_ids: files whose attempt failed because of infrastructure.
        error: why.
        counts: whether the attempt is one of those after which a file fails.
        run_request_id: the queued files of this request wait, too.
    """
    connection.execute(
        "SELECT shifts_store.retry_files(%s::bigint[], %s, %s, %s)",
        [list(file_ids), error, counts, run_request_id],
    )


def await_version(connection: psycopg.Connection, file_id: int, file: LandedFile) -> None:
    """Loading → queued: the record waits for the version that its file has now."""
    connection.execute("SELECT shifts_store.await_version(%s, %s, %s)", [file_id, file.version, file.size])


def supersede(
    connection: psycopg.Connection, file_ids: Sequence[int], *, error: str | None, run_id: str
) -> None:
    """Open versions → superseded by a newer version of the name."""
    connection.execute(
        "SELECT shifts_store.supersede_files(%s::bigint[], %s, %s)", [list(file_ids), error, run_id]
    )


def finish_deletion(connection: psycopg.Connection, file_ids: Sequence[int]) -> None:
    """Deleting → deleted: the rows are gone, and so is what lay in the landing zone."""
    connection.execute("SELECT shifts_store.finish_deletion(%s::bigint[])", [list(file_ids)])
