"""How runs write to Dagster's event log."""

from contextlib import AbstractContextManager, nullcontext

import dagster as dg

from shifts_pipeline.event_log_storage import BatchedEventLogStorage


def pool_connections(instance: dg.DagsterInstance) -> None:
    """Keeps connections to Dagster's database open where the storage does not do so by itself: Dagster's own.

    A run worker of it opens a connection for each statement of each event. For a small file or pair that takes longer
    than the work itself.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, BatchedEventLogStorage):
        storage.optimize_for_webserver(statement_timeout=60_000, pool_recycle=300, max_overflow=4)


def batch_events(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """Writes the materializations and check results of up to a second together, within the block."""
    storage = instance.event_log_storage
    return storage.buffered() if isinstance(storage, BatchedEventLogStorage) else nullcontext()
