"""Tags of runs, by which sensors, assets and the event feed recognise a run, and the statuses of unfinished runs.

The Dagster UI lists runs with the tags that have no prefix of Dagster, and never shows the prefix `.dagster/`.
"""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from shifts_pipeline.display_text import printable

RUN_REQUEST_ID = "dagster/run_key"
"""Identifies a sensor's request; the ledger stores it with the files that were requested."""

FILES = "files"
_MAX_NAME_CHARS = 60

WEEKS = "weeks"

_TASK_IDS = ".dagster/shifts_task_ids"
_MAX_TASK_IDS_PER_TAG = 64
"""Dagster's index of tags accepts values of up to 2,700 bytes."""

ONLY_STALE = "shifts/only_stale"
"""The run skips fresh and paused pairs of its partition range."""

FAILED_PAIRS = "shifts/failed_pairs"
"""Number of pairs that failed in a run. A failed run without this tag failed as a whole."""

PARTITION = "dagster/partition"
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


def files_tag(names: Sequence[str]) -> dict[str, str]:
    """The tag that tells a reader which files a run loads: the first one's name, and how many more there are."""
    first, more = printable(names[0], _MAX_NAME_CHARS), len(names) - 1
    return {FILES: f"{first} and {more:,} more" if more else first}


def weeks_tag(first: date, last: date) -> dict[str, str]:
    """The tag that tells a reader which weeks a run refreshes, given the Mondays of the first and the last one."""
    if first == last:
        return {WEEKS: f"{first:%G-W%V}"}
    # A list of runs shows some 22 characters.
    is_same_year = first.isocalendar().year == last.isocalendar().year
    return {WEEKS: f"{first:%G-W%V} to {last:W%V}" if is_same_year else f"{first:%G-W%V} to {last:%G-W%V}"}


def task_id_tags(task_ids: Sequence[str]) -> dict[str, str]:
    """Tags that hold the task ids of a run's files, comma separated; the feed adds them to the run's events."""
    return {
        f"{_TASK_IDS}.{first // _MAX_TASK_IDS_PER_TAG}": ",".join(
            task_ids[first : first + _MAX_TASK_IDS_PER_TAG]
        )
        for first in range(0, len(task_ids), _MAX_TASK_IDS_PER_TAG)
    }
