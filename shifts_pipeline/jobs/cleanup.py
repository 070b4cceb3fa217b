"""The job `cleanup`: deletes old runs, events, idempotency keys and audit entries, which nothing else deletes."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.partitions import TRIP_FILES
from shifts_pipeline.resources.audit_retention import AuditRetention
from shifts_pipeline.resources.feed import Feed
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.storage import database

RUNS_KEPT = timedelta(days=30)
EVENTS_KEPT = timedelta(days=7)
"""A client of the feed that was away longer cannot resume without a gap."""
KEYS_KEPT = timedelta(days=7)
"""A request that is repeated later with the same idempotency key is executed again."""
MAX_KEYS_PER_TRANSACTION = 10_000
RUNS_PER_PAGE = 200
_MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION


@dg.op(
    description="Deletes runs that ended over a month ago and hold no latest materialization of a partition."
)
def delete_old_runs(context: dg.OpExecutionContext) -> int:
    """Returns how many runs were deleted.

    Deleting a run deletes its materializations, and without its latest materialization the UI shows a partition as
    missing: such runs stay, until their partitions are retired.
    """
    deleted = 0
    for run in _old_runs(context.instance):
        if _is_outdated(context.instance, run):
            context.instance.delete_run(run.run_id)
            deleted += 1
    context.add_output_metadata({"runs": deleted})
    return deleted


def _old_runs(instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    old = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        created_before=datetime.now(UTC) - RUNS_KEPT,
    )
    ids = [record.dagster_run.run_id for record in instance.get_run_records(filters=old, ascending=True)]
    for first in range(0, len(ids), RUNS_PER_PAGE):
        yield from instance.get_runs(filters=dg.RunsFilter(run_ids=ids[first : first + RUNS_PER_PAGE]))


def _is_outdated(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether everything that a run materialized was materialized again, or is no partition any more."""
    written: dict[dg.AssetKey, dict[str, int]] = defaultdict(dict)
    for record in instance.get_records_for_run(run.run_id, of_type=_MATERIALIZATION).records:
        event = record.event_log_entry.dagster_event
        if event is None or event.asset_key is None or event.partition is None:
            return False
        written[event.asset_key][event.partition] = record.storage_id
    for asset_key, partitions in written.items():
        latest = instance.get_latest_storage_id_by_partition(asset_key, _MATERIALIZATION, set(partitions))
        current = {key for key, storage_id in partitions.items() if latest.get(key, 0) <= storage_id}
        if asset_key == RAW_TRIPS:
            name = str(TRIP_FILES.name)
            current &= instance.event_log_storage.get_existing_dynamic_partitions(name, list(current))
        if current:
            return False
    return True


@dg.op(description="Deletes events of the feed that are older than a week.")
def delete_old_events(context: dg.OpExecutionContext, feed: Feed) -> int:
    """Returns how many events were deleted."""
    with database.connect(feed.url) as connection:
        deleted = connection.execute(
            "DELETE FROM shifts_feed.events WHERE occurred_at < now() - %s", [EVENTS_KEPT]
        ).rowcount
    context.add_output_metadata({"events": deleted})
    return deleted


@dg.op(description="Deletes idempotency keys that are older than a week.")
def delete_old_keys(context: dg.OpExecutionContext, trips_database: TripsDatabase) -> int:
    """Returns how many keys were deleted; short transactions, so that requests with the same keys hardly wait."""
    total = 0
    with trips_database.connect(autocommit=True) as connection:
        while True:
            deleted = connection.execute(
                """
                DELETE FROM shifts_store.idempotency_keys WHERE key IN (
                    SELECT key FROM shifts_store.idempotency_keys WHERE created_at < now() - %s
                    ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED)
                """,
                [KEYS_KEPT, MAX_KEYS_PER_TRANSACTION],
            ).rowcount
            total += deleted
            if deleted < MAX_KEYS_PER_TRANSACTION:
                break
    context.add_output_metadata({"keys": total})
    return total


@dg.op(description="Deletes entries of the audit trail that are older than `SHIFTS_AUDIT_WEEKS`.")
def delete_old_audit_entries(
    context: dg.OpExecutionContext, trips_database: TripsDatabase, audit_retention: AuditRetention
) -> int:
    """Returns how many entries were deleted."""
    with trips_database.connect(autocommit=True) as connection:
        deleted = connection.execute(
            "DELETE FROM shifts_store.audit_trail WHERE recorded_at < now() - %s",
            [timedelta(weeks=audit_retention.weeks)],
        ).rowcount
    context.add_output_metadata({"entries": deleted})
    return deleted


@dg.op(description="Merges the changes of the ledger's totals, in case `/metrics` is never read.")
def merge_totals(trips_database: TripsDatabase) -> None:
    """Reading the totals merges the rows of changes, so that their table stays short."""
    with trips_database.connect(autocommit=True) as connection:
        connection.execute("SELECT FROM shifts_store.ledger_totals()")


@dg.job(
    description="Deletes runs of over a month ago, events of the feed and idempotency keys of over a week ago, and"
    " old entries of the audit trail."
    " The latest materialization of each partition stays. The schedule `nightly_cleanup` starts it."
)
def cleanup() -> None:
    """Runs all ops, in any order."""
    delete_old_runs()
    delete_old_events()
    delete_old_keys()
    delete_old_audit_entries()
    merge_totals()


nightly_cleanup = dg.ScheduleDefinition(
    name="nightly_cleanup",
    job=cleanup,
    cron_schedule="17 3 * * *",
    description="Every night: deletes runs, events of the feed, idempotency keys and audit entries that are no longer"
    " needed.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
