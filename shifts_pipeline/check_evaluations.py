"""The statement that stores the result of an asset check for a partition."""

from datetime import UTC, datetime

import sqlalchemy as sa
from dagster import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import serialize_value


def _completes_planned_evaluation() -> sa.Update:
    """Completes the row that was inserted when a check was planned for a partition.

    Evaluations of a run over many partitions do not name the materialization that they are about. It is the last one
    of the partition; the UI ignores the result of a check that is about an earlier one.
    """
    checks, events = AssetCheckExecutionsTable, SqlEventLogStorageTable
    last = sa.select(sa.func.max(events.c.id)).where(
        events.c.asset_key == checks.c.asset_key,
        events.c.partition == checks.c.partition,
        events.c.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value,
    )
    return (
        checks.update()
        .where(
            checks.c.asset_key == sa.bindparam("of_asset"),
            checks.c.check_name == sa.bindparam("of_check"),
            checks.c.run_id == sa.bindparam("of_run"),
            checks.c.partition == sa.bindparam("of_partition"),
        )
        .values(
            execution_status=sa.bindparam("status"),
            evaluation_event=sa.bindparam("event"),
            evaluation_event_timestamp=sa.bindparam("timestamp"),
            evaluation_event_storage_id=sa.bindparam("storage_id"),
            materialization_event_storage_id=last.scalar_subquery(),
        )
    )


EVALUATE = _completes_planned_evaluation()


def evaluation_row(event: EventLogEntry, event_id: int) -> dict[str, object]:
    """Values of `EVALUATE`."""
    evaluation = event.get_dagster_event().asset_check_evaluation_data
    return {
        "of_asset": evaluation.asset_key.to_string(),
        "of_check": evaluation.check_name,
        "of_run": event.run_id,
        "of_partition": evaluation.partition,
        "status": (Status.SUCCEEDED if evaluation.passed else Status.FAILED).value,
        "event": serialize_value(event),
        "timestamp": utc_timestamp(event),
        "storage_id": event_id,
    }


def utc_timestamp(event: EventLogEntry) -> datetime:
    """In UTC and without a time zone, as Dagster's columns are."""
    return datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None)
