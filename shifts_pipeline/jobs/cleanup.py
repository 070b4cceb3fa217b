"""The cleanup job: Dagster keeps every run and event for ever, and so would the feed's outbox."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from shifts_pipeline.resources.feed import Feed
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.storage import database

RUNS_KEPT = timedelta(days=30)
EVENTS_KEPT = timedelta(days=7)
"""How long a listener may be away and still resume."""
KEYS_KEPT = timedelta(days=7)
"""How long an idempotency key stands for its request."""
KEYS_A_BATCH = 10_000
RUNS_A_PAGE = 200
_MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION


@dg.op(description="Deletes finished runs older than a month that tell nothing current about any partition.")
def delete_old_runs(context: dg.OpExecutionContext) -> int:
    """Returns how many runs were deleted.

    A run's deletion takes its materializations along, and with the latest one of a partition the UI would
    forget that the partition exists: such runs stay.
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
    for first in range(0, len(ids), RUNS_A_PAGE):
        yield from instance.get_runs(filters=dg.RunsFilter(run_ids=ids[first : first + RUNS_A_PAGE]))


def _is_outdated(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether everything that a run materialized was materialized again since."""
    written: dict[dg.AssetKey, dict[str, int]] = defaultdict(dict)
    for record in instance.get_records_for_run(run.run_id, of_type=_MATERIALIZATION).records:
        event = record.event_log_entry.dagster_event
        if event is None or event.asset_key is None or event.partition is None:
            return False
        written[event.asset_key][event.partition] = record.storage_id
    for asset_key, partitions in written.items():
        latest = instance.get_latest_storage_id_by_partition(asset_key, _MATERIALIZATION, set(partitions))
        if any(latest.get(partition, 0) <= storage_id for partition, storage_id in partitions.items()):
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
    """Returns how many keys were deleted; a batch a transaction, so that requests with such keys hardly wait."""
    total = 0
    with trips_database.connect(autocommit=True) as connection:
        while True:
            deleted = connection.execute(
                """
                DELETE FROM shifts_store.idempotency_keys WHERE key IN (
                    SELECT key FROM shifts_store.idempotency_keys WHERE created_at < now() - %s
                    ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED)
                """,
                [KEYS_KEPT, KEYS_A_BATCH],
            ).rowcount
            total += deleted
            if deleted < KEYS_A_BATCH:
                break
    context.add_output_metadata({"keys": total})
    return total


@dg.op(description="Replaces the ledger's changes by their sums, in case that nobody reads `/metrics`.")
def merge_ledger_totals(trips_database: TripsDatabase) -> None:
    """Keeps the table of changes short."""
    with trips_database.connect(autocommit=True) as connection:
        connection.execute("SELECT FROM shifts_store.ledger_totals()")


@dg.job(description="Forgets old runs, old events of the feed and old idempotency keys.")
def cleanup() -> None:
    """All of them, in any order."""
    delete_old_runs()
    delete_old_events()
    delete_old_keys()
    merge_ledger_totals()


nightly_cleanup = dg.ScheduleDefinition(
    name="nightly_cleanup",
    job=cleanup,
    cron_schedule="17 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
