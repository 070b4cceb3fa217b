"""Events of the feed about files: progress while loading, and how a file ended."""

import psycopg

from shifts_core.trips.report import Progress
from shifts_pipeline.storage import ledger
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.outbox import Outbox

_ASSET = "raw_trips"
"""The Dagster asset whose partitions are files."""
MAX_REGIONS = 100
"""Of an event, so that it stays short; keys for all regions alone receive the events of files with more."""


def publish_progress(outbox: Outbox, record: FileRecord, progress: Progress, run_id: str) -> None:
    """Publishes `file.progress`."""
    outbox.publish(
        "file.progress",
        run_id=run_id,
        task_ids=[record.task_id],
        asset=_ASSET,
        partition=record.name,
        message=f"{record.name}: {progress.rows:,} rows, {progress.share:.0%}",
        details={"file_id": record.file_id, "rows": progress.rows, "share": round(progress.share, 4)},
    )


def publish_file_event(
    outbox: Outbox, connection: psycopg.Connection, record: FileRecord, run_id: str
) -> None:
    """Publishes `file.loaded`, `file.failed` or `file.deleted`, once for each end; nothing while it is open.

    Call it after the commit: a client that receives `file.loaded` then sees the rows.

    Args:
        outbox: receives the event.
        connection: marks the record as published, and commits.
        record: a file version, after its last transition.
        run_id: of the run that ended it.
    """
    if record.is_open or record.status == "deleting":
        return
    type_, message = final_event(record)
    outbox.publish(
        type_,
        run_id=run_id,
        task_ids=[record.task_id],
        asset=_ASSET,
        partition=record.name,
        message=message,
        details={
            "file_id": record.file_id,
            "status": record.status,
            "rows_loaded": record.rows_loaded,
            "rows_rejected": record.rows_rejected,
            **_regions_of(connection, record),
        },
        dedupe_key=f"{type_}:{record.file_id}:{record.finished_at and record.finished_at.timestamp()}",
    )
    ledger.mark_published(connection, record.file_id)
    connection.commit()


def _regions_of(connection: psycopg.Connection, record: FileRecord) -> dict[str, list[str]]:
    """The regions of the file's trips: a key that is limited to regions receives only events that name no other."""
    regions = ledger.regions_of(connection, record.file_id)
    return {"regions": regions} if 0 < len(regions) <= MAX_REGIONS else {}


def final_event(record: FileRecord) -> tuple[str, str]:
    """Event type and message for a file version that is not open any more."""
    if record.status == "deleted":
        return "file.deleted", f"{record.name}: deleted, {record.rows_loaded:,} trips"
    if record.error or record.status in ("failed", "superseded"):
        reason = record.error or "replaced by a newer version before it was loaded"
        return "file.failed", f"{record.name}: {reason}"
    if record.status == "duplicate":
        return "file.loaded", f"{record.name}: these bytes are loaded already, nothing was added"
    rejected = f", {record.rows_rejected:,} rejected" if record.rows_rejected else ""
    return "file.loaded", f"{record.name}: {record.rows_loaded:,} trips loaded{rejected}"
