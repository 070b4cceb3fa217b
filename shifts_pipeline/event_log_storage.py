"""Dagster's event log in PostgreSQL, with one statement for many events."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa
from dagster import DagsterEventType
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as _Status
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import serialize_value
from dagster_postgres.event_log import PostgresEventLogStorage

MAX_BUFFERED = 100
MAX_AGE_S = 1.0
"""A worker that is killed loses the events of this time. What it loaded is safe: the ledger is the truth."""

_MATERIALIZATIONS = {
    DagsterEventType.ASSET_MATERIALIZATION.value,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
}
_EVALUATION = DagsterEventType.ASSET_CHECK_EVALUATION.value
_BUFFERED = {DagsterEventType.ASSET_MATERIALIZATION.value, _EVALUATION}


class BatchedEventLogStorage(PostgresEventLogStorage):
    """The event log of the platform. Dagster's own writes each event with six statements on new connections."""

    _buffers = False

    @contextmanager
    def buffered(self) -> Iterator[None]:
        """Collects materializations and check results until the next other event, `MAX_BUFFERED` or `MAX_AGE_S`."""
        self._lock = threading.RLock()
        self._buffer: list[EventLogEntry] = []
        self._first_at = 0.0
        self._buffers = True
        try:
            yield
        finally:
            self._buffers = False
            self._flush()

    def store_event(self, event: EventLogEntry) -> None:
        """Stores an event, or keeps it for the next batch."""
        if not self._buffers:
            super().store_event(event)
            return
        with self._lock:
            if _type_of(event) not in _BUFFERED:
                self._flush()
                super().store_event(event)
                return
            if not self._buffer:
                self._first_at = time.monotonic()
            self._buffer.append(event)
            if len(self._buffer) >= MAX_BUFFERED or time.monotonic() - self._first_at > MAX_AGE_S:
                self._flush()

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores materializations by one statement, check results by another, and then other events one by one."""
        materializations = [event for event in events if _type_of(event) in _MATERIALIZATIONS]
        evaluations = [event for event in events if _type_of(event) == _EVALUATION]
        others = [event for event in events if _type_of(event) not in {*_MATERIALIZATIONS, _EVALUATION}]
        if materializations:
            ids = self._insert(materializations)
            with self.index_transaction() as connection:
                self._store_asset_event_tags(connection, materializations, ids)
                self._store_asset_event(connection, materializations[-1], ids[-1])
        if evaluations:
            self._store_evaluations(evaluations, self._insert(evaluations))
        for event in others:
            super().store_event(event)

    def _flush(self) -> None:
        events, self._buffer = self._buffer, []
        if events:
            self.store_event_batch(events)

    def _insert(self, events: Sequence[EventLogEntry]) -> list[int]:
        statement = self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
        with self.run_connection() as connection:
            return [id_ for (id_,) in connection.execute(statement)]

    def _store_evaluations(self, events: Sequence[EventLogEntry], ids: Sequence[int]) -> None:
        """Completes the rows that were inserted when the checks were planned."""
        table = AssetCheckExecutionsTable
        statement = (
            table.update()
            .where(
                table.c.asset_key == sa.bindparam("of_asset"),
                table.c.check_name == sa.bindparam("of_check"),
                table.c.run_id == sa.bindparam("of_run"),
                table.c.partition == sa.bindparam("of_partition"),
            )
            .values(
                execution_status=sa.bindparam("status"),
                evaluation_event=sa.bindparam("event"),
                evaluation_event_timestamp=sa.bindparam("timestamp"),
                evaluation_event_storage_id=sa.bindparam("storage_id"),
            )
        )
        rows = []
        for event, id_ in zip(events, ids, strict=True):
            evaluation = event.get_dagster_event().asset_check_evaluation_data
            rows.append(
                {
                    "of_asset": evaluation.asset_key.to_string(),
                    "of_check": evaluation.check_name,
                    "of_run": event.run_id,
                    "of_partition": evaluation.partition,
                    "status": (_Status.SUCCEEDED if evaluation.passed else _Status.FAILED).value,
                    "event": serialize_value(event),
                    "timestamp": _timestamp(event),
                    "storage_id": id_,
                }
            )
        with self.index_transaction() as connection:
            updated = connection.execute(statement, rows).rowcount
        if updated != len(events):
            # Some were not planned: Dagster inserts their rows.
            for event, id_ in zip(events, ids, strict=True):
                self.store_asset_check_event(event, id_)

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """Inserts a row per partition. Dagster's own rows each contain the keys of all partitions of the run."""
        planned = event.get_dagster_event().asset_check_planned_data
        if planned.partitions_subset is None:
            super()._store_asset_check_evaluation_planned(event, event_id)
            return
        keys = list(planned.partitions_subset.get_partition_keys())
        slim = event._replace(
            dagster_event=event.get_dagster_event()._replace(
                event_specific_data=AssetCheckEvaluationPlanned(
                    asset_key=planned.asset_key, check_name=planned.check_name
                )
            )
        )
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": _Status.PLANNED.value,
            "evaluation_event": serialize_value(slim),
            "evaluation_event_timestamp": _timestamp(event),
            "evaluation_event_storage_id": event_id,
        }
        statement = AssetCheckExecutionsTable.insert().values([row | {"partition": key} for key in keys])
        with self.index_connection() as connection:
            connection.execute(statement)


def _timestamp(event: EventLogEntry) -> datetime:
    """In UTC and without a time zone, as Dagster's columns are."""
    return datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None)


def _type_of(event: EventLogEntry) -> str | None:
    return event.dagster_event_type.value if event.is_dagster_event and event.dagster_event_type else None
