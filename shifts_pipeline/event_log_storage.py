"""Dagster's event log in PostgreSQL, with one statement for many events."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from dagster import AssetCheckKey, DagsterEventType, PartitionsDefinition, RunsFilter
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as _Status
from dagster._core.storage.asset_check_state import AssetCheckState
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import serialize_value
from dagster_postgres.event_log import PostgresEventLogStorage

from shifts_pipeline.check_evaluations import EVALUATE, evaluation_row, utc_timestamp
from shifts_pipeline.check_states import check_state

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

    def get_asset_check_state(
        self, keys: Sequence[tuple[AssetCheckKey, PartitionsDefinition | None]]
    ) -> Mapping[AssetCheckKey, AssetCheckState]:
        """The status of each partition of checks, from their last evaluations."""
        states = dict(super().get_asset_check_state([(key, found) for key, found in keys if found is None]))
        for key, partitions_def in keys:
            if partitions_def is None:
                continue
            infos = self.get_asset_check_partition_info([key])
            planned = {
                info.latest_planned_run_id
                for info in infos
                if info.latest_execution_status == _Status.PLANNED
            }
            finished = (
                self._instance.get_runs(RunsFilter(run_ids=list(planned), statuses=FINISHED_STATUSES))
                if planned
                else []
            )
            states[key] = check_state(
                key,
                partitions_def,
                infos,
                partitions_def.get_partition_keys(dynamic_partitions_store=self._instance),
                {run.run_id: run.status for run in finished},
            )
        return states

    def _flush(self) -> None:
        events, self._buffer = self._buffer, []
        if events:
            self.store_event_batch(events)

    def _insert(self, events: Sequence[EventLogEntry]) -> list[int]:
        statement = self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
        with self.run_connection() as connection:
            return [id_ for (id_,) in connection.execute(statement)]

    def _store_evaluations(self, events: Sequence[EventLogEntry], ids: Sequence[int]) -> None:
        rows = [evaluation_row(event, id_) for event, id_ in zip(events, ids, strict=True)]
        with self.index_transaction() as connection:
            updated = connection.execute(EVALUATE, rows).rowcount
        if updated != len(events):
            # Some were not planned: Dagster inserts their rows.
            for event, id_ in zip(events, ids, strict=True):
                self._update_asset_check_evaluation(event, id_)

    def _update_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
        """Completes the row that was inserted when the check was planned."""
        if (
            event_id is not None
            and event.get_dagster_event().asset_check_evaluation_data.partition is not None
        ):
            with self.index_transaction() as connection:
                if connection.execute(EVALUATE, evaluation_row(event, event_id)).rowcount:
                    return
        super()._update_asset_check_evaluation(event, event_id)

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
            "evaluation_event_timestamp": utc_timestamp(event),
            "evaluation_event_storage_id": event_id,
        }
        statement = AssetCheckExecutionsTable.insert().values([row | {"partition": key} for key in keys])
        with self.index_connection() as connection:
            connection.execute(statement)


def _type_of(event: EventLogEntry) -> str | None:
    return event.dagster_event_type.value if event.is_dagster_event and event.dagster_event_type else None
