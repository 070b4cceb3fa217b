"""Status of each partition of an asset check, as the Dagster UI shows it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from dagster import AssetCheckKey, DagsterRunStatus, PartitionsDefinition
from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
    AssetCheckPartitionInfo,
)
from dagster._core.storage.asset_check_state import AssetCheckState

_OF_EVALUATION = {
    AssetCheckExecutionRecordStatus.SUCCEEDED: AssetCheckExecutionResolvedStatus.SUCCEEDED,
    AssetCheckExecutionRecordStatus.FAILED: AssetCheckExecutionResolvedStatus.FAILED,
}


def check_state(
    key: AssetCheckKey,
    partitions_def: PartitionsDefinition,
    infos: Sequence[AssetCheckPartitionInfo],
    existing: Collection[str],
    finished: Mapping[str, DagsterRunStatus],
) -> AssetCheckState:
    """Groups partitions by the status of their last evaluation.

    Dagster's own function fails for dynamic partitions, and takes time that is quadratic in their number.

    Args:
        key: the check.
        partitions_def: its partitions.
        infos: the last evaluation of each partition, planned or done.
        existing: keys of the partitions that exist.
        finished: statuses of finished runs by id, of at least the runs in `infos` that have finished.
    """
    keys: dict[AssetCheckExecutionResolvedStatus, list[str]] = defaultdict(list)
    in_progress: dict[str, list[str]] = defaultdict(list)
    known = frozenset(existing)
    for info in infos:
        if info.partition_key is None or info.partition_key not in known:
            continue
        status = _status(info, finished)
        if status is None:
            continue
        keys[status].append(info.partition_key)
        if status == AssetCheckExecutionResolvedStatus.IN_PROGRESS:
            in_progress[info.latest_planned_run_id].append(info.partition_key)

    def subset(partition_keys: list[str]) -> SerializableEntitySubset[AssetCheckKey]:
        return SerializableEntitySubset.from_coercible_value(key, partition_keys, partitions_def)

    return AssetCheckState(
        latest_storage_id=max((info.latest_check_event_storage_id for info in infos), default=0),
        subsets={status: subset(keys[status]) for status in AssetCheckExecutionResolvedStatus},
        in_progress_runs={run_id: subset(found) for run_id, found in in_progress.items()},
    )


def _status(
    info: AssetCheckPartitionInfo, finished: Mapping[str, DagsterRunStatus]
) -> AssetCheckExecutionResolvedStatus | None:
    """None if the partition was materialized after the evaluation."""
    if info.latest_execution_status != AssetCheckExecutionRecordStatus.PLANNED:
        return _OF_EVALUATION[info.latest_execution_status] if info.is_current else None
    ended = finished.get(info.latest_planned_run_id)
    if ended is None:
        return AssetCheckExecutionResolvedStatus.IN_PROGRESS
    if ended == DagsterRunStatus.FAILURE:
        return AssetCheckExecutionResolvedStatus.EXECUTION_FAILED
    return AssetCheckExecutionResolvedStatus.SKIPPED
