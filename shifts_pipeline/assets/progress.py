"""Progress of a file that is being loaded, in the event feed and in the run's log."""

import time

import dagster as dg

from shifts_core.trips.report import Progress
from shifts_pipeline.storage.file_events import publish_progress
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.outbox import Outbox

INTERVAL_S = 1.0


class ProgressReporter:
    """Callback of the loader; reports at most once in `INTERVAL_S` seconds."""

    def __init__(self, context: dg.AssetExecutionContext, outbox: Outbox) -> None:
        self._context, self._outbox = context, outbox
        self._next_s = time.monotonic() + INTERVAL_S

    def __call__(self, record: FileRecord, progress: Progress) -> None:
        """Reports how much of a file is loaded."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + INTERVAL_S
        try:
            publish_progress(self._outbox, record, progress, self._context.run.run_id)
            self._context.log.info(
                "%s: %s rows, %.0f %%", record.name, f"{progress.rows:,}", 100 * progress.share
            )
        except Exception:
            # Progress is informational: the load continues without it.
            self._next_s = float("inf")
            self._context.log.warning("progress of %s is no longer reported", record.name, exc_info=True)
