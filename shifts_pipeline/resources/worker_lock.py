"""The resource `worker_lock`: proves to the sensor `lost_workers` that a run's worker process is alive."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from shifts_pipeline.storage import database, locks


class WorkerLock(dg.ConfigurableResource["WorkerLock"]):
    """A PostgreSQL advisory lock that a run holds from start to end: proof that its worker process is alive."""

    url: str = Field(description="URL of the PostGIS database. Setting: SHIFTS_DATABASE_URL.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WorkerLock"]:
        """Takes the run's lock on a connection that lives as long as its worker process."""
        with database.connect(self.url, autocommit=True) as connection:
            if context.run is not None:
                locks.lock_run(connection, context.run.run_id)
            yield self
