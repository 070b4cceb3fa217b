"""How many runs of a pool Dagster executes at a time."""

import dagster as dg

_DEFAULT_WORKERS = 2
"""Where Dagster limits neither the pool nor pools in general."""


def workers_of(instance: dg.DagsterInstance, pool: str) -> int:
    """The limit of a pool, as set in the Dagster UI or by `default_limit`."""
    limits = {found.name: found.limit for found in instance.event_log_storage.get_pool_limits()}
    return limits.get(pool) or instance.global_op_concurrency_default_limit or _DEFAULT_WORKERS
