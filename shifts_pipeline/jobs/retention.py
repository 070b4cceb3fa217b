"""The job `retention`: drops the weeks that are older than `SHIFTS_RETENTION_WEEKS`, and its schedule."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from shifts_pipeline.asset_keys import SHIFT_BACKTEST, SHIFTS, TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.partition_history import delete_events
from shifts_pipeline.resources.retention import Retention
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.retention import (
    ExpiringWeek,
    drop_empty_partitions,
    expire_week,
    expired_weeks,
    expiring_weeks,
)

_WEEKLY_ASSETS = [WEEKLY_AGGREGATES, TRIP_CLUSTERS, SHIFTS, SHIFT_BACKTEST]


class RetentionConfig(dg.Config):
    """What a run does."""

    dry_run: bool = Field(default=False, description="Only report what would be dropped.")


@dg.op(
    description="Drops whole weeks: trips, clusters, tiles and shifts. Files without younger trips are marked, and"
    " the job `delete_files` deletes them. Without SHIFTS_RETENTION_WEEKS nothing expires."
)
def drop_expired_weeks(
    context: dg.OpExecutionContext,
    config: RetentionConfig,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    retention: Retention,
) -> int:
    """Returns how many weeks were dropped, or would be."""
    del worker_lock  # held for the whole run
    before = retention.first_kept(date.today())  # noqa: DTZ011
    if before is None:
        context.log.info("SHIFTS_RETENTION_WEEKS is not set: nothing expires")
        return 0
    with trips_database.connect(autocommit=True) as connection:
        found = expiring_weeks(connection, before)
        done, held = found, []
        if not config.dry_run:
            asked_by = f"the retention of {retention.weeks} weeks"
            done = [
                each
                for each in found
                if expire_week(connection, each.week, keep_totals=retention.keep_totals, asked_by=asked_by)
            ]
            held = [each.week for each in found if each not in done]
            dropped = list(drop_empty_partitions(connection))
            context.log.info("%s partitions of trips were dropped", len(dropped))
            # Of all expired weeks: a worker may have died before it came here, or another one recorded more since.
            keys = [week.isoformat() for week in expired_weeks(connection)]
            delete_events(context.instance, _WEEKLY_ASSETS, keys)
    if held:
        context.log.warning(
            "held by other transactions, dropped the next time: %s", ", ".join(map(str, held))
        )
    context.add_output_metadata(_metadata(done, before, config))
    return len(done)


def _metadata(weeks: Sequence[ExpiringWeek], before: date, config: RetentionConfig) -> dict[str, Any]:
    records = [
        dg.TableRecord(
            {
                "week": f"{each.week:%G-W%V}",
                **{name: value for name, value in vars(each).items() if name != "week"},
            }
        )
        for each in weeks
    ]
    columns = [
        dg.TableColumn(name, "string" if name == "week" else "int")
        for name in ExpiringWeek.__dataclass_fields__
    ]
    return {
        "dry_run": config.dry_run,
        "first_week_kept": f"{before:%G-W%V}",
        "weeks": len(weeks),
        "trips": sum(each.trips for each in weeks),
        "clusters": sum(each.clusters for each in weeks),
        "shifts": sum(each.shifts for each in weeks),
        "files_deleted": sum(each.whole_files for each in weeks),
        "dropped": dg.MetadataValue.table(records, dg.TableSchema(columns)),
    }


@dg.job(
    name="retention",
    description="Drops the weeks that are older than SHIFTS_RETENTION_WEEKS, with all that was computed from them."
    " With `dry_run` in its config, it only reports them. The schedule `nightly_retention` starts it.",
)
def retention_job() -> None:
    """Runs the op."""
    drop_expired_weeks()


@dg.schedule(
    job=retention_job,
    cron_schedule="27 1 * * *",
    description="Every night: drops expired weeks, if SHIFTS_RETENTION_WEEKS is set.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly_retention(retention: Retention) -> dg.SkipReason | dg.RunRequest:
    """Requests a run, unless everything is kept."""
    if retention.weeks is None:
        return dg.SkipReason("SHIFTS_RETENTION_WEEKS is not set: nothing expires")
    return dg.RunRequest()
