"""The run tags by which sensors, runs and the feed know each other."""

BATCH = "shifts/batch"
"""Names a sensor's request: the ledger notes it beside the files it was for."""

TASK_IDS = "shifts/task_ids"
"""Task ids of the run's files, comma separated; the feed puts them on the run's events."""

ONLY_STALE = "shifts/only_stale"
"""The run computes what is stale in its range and passes over the rest."""

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
MAX_RETRIES = "dagster/max_retries"
