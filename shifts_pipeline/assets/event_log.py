"""How runs write to Dagster's event log."""

from contextlib import AbstractContextManager, nullcontext

import dagster as dg

from shifts_pipeline.event_log_storage import BatchedEventLogStorage


def batch_events(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """Writes the materializations and check results of up to a second together, within the block."""
    storage = instance.event_log_storage
    return storage.buffered() if isinstance(storage, BatchedEventLogStorage) else nullcontext()
