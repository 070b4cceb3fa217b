"""The run tags and statuses by which sensors, runs and the feed know each other."""

from collections.abc import Sequence

import dagster as dg

BATCH = "shifts/batch"
"""Names a sensor's request: the ledger notes it beside the files it was for."""

_TASK_IDS = "shifts/task_ids"
_TASK_IDS_A_TAG = 64
"""Dagster's index takes no values beyond 2,700 bytes."""

ONLY_STALE = "shifts/only_stale"
"""The run computes what is stale in its range and passes over the rest."""

FAILED_PAIRS = "shifts/failed_pairs"
"""How many pairs of a run failed. A failed run without it failed as a whole."""

PRIORITY = "dagster/priority"
"""Of a queued run, or of a step within its run: the higher goes first."""

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
MAX_RETRIES = "dagster/max_retries"

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def task_id_tags(task_ids: Sequence[str]) -> dict[str, str]:
    """The task ids of a run's files, comma separated; the feed puts them on the run's events."""
    return {
        f"{_TASK_IDS}.{first // _TASK_IDS_A_TAG}": ",".join(task_ids[first : first + _TASK_IDS_A_TAG])
        for first in range(0, len(task_ids), _TASK_IDS_A_TAG)
    }
