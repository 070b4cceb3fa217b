"""The job `delete_files`: deletes files that somebody has asked to delete, with all that was computed from them."""

import dagster as dg

from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.jobs.run_tags import MAX_RETRIES
from shifts_pipeline.partition_history import delete_events
from shifts_pipeline.partitions import to_key
from shifts_pipeline.resources.feed import Feed
from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage import deletion
from shifts_pipeline.storage.file_events import publish_file_event


@dg.op(
    description="Deletes trips, rejects and what was computed with them, then what Dagster has recorded about them,"
    " then the files in the landing zone. The ledger keeps a record of each file."
)
def delete_requested_files(
    context: dg.OpExecutionContext,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    landing: Landing,
    feed: Feed,
) -> int:
    """Returns how many records of the ledger are deleted now."""
    del worker_lock  # held for the whole run
    with trips_database.connect() as connection, feed.outbox() as outbox:
        # Rows first: answers must not wait for a landing zone that is unavailable.
        deletion.delete_rows(connection)
        waiting = deletion.without_rows(connection)
        keys = sorted({to_key(record.name) for record in waiting if not record.is_posted})
        delete_events(context.instance, [RAW_TRIPS], keys)
        deleted = deletion.delete_landed(connection, landing.zone, waiting)
        for record in deleted:
            publish_file_event(outbox, connection, record, context.run_id)
    context.add_output_metadata(
        {
            "files": len({record.name for record in deleted}),
            "trips": sum(record.rows_loaded for record in deleted),
            "names": dg.MetadataValue.json(sorted({record.name for record in deleted})[:100]),
        }
    )
    return len(deleted)


@dg.job(
    description="Deletes files that somebody has asked to delete: `shifts delete` or `DELETE /api/v1/files/{id}`."
    " The sensor `deleted_files` requests it.",
    # The sensor requests again what is not deleted.
    tags={"dagster/priority": "5", MAX_RETRIES: "0"},
)
def delete_files() -> None:
    """Runs the op."""
    delete_requested_files()
