"""The sensor `deleted_files`: requests a run when somebody has asked to delete files."""

import time

import dagster as dg

from shifts_pipeline.jobs.deletion import delete_files
from shifts_pipeline.jobs.run_tags import UNFINISHED
from shifts_pipeline.partitions import to_key
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors import file_partitions
from shifts_pipeline.sensors.waiting import wait_for_work
from shifts_pipeline.storage import ledger

_RETRY_S = 30.0


@dg.sensor(
    job=delete_files,
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a run that deletes the files that somebody has asked to delete, and another one if it"
    " failed or its worker died. Deletes their partitions.",
)
def deleted_files(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase
) -> dg.SkipReason | dg.RunRequest:
    """Requests one run at a time, for all files together."""
    with trips_database.connect(autocommit=True) as connection:
        asked = wait_for_work(connection, "shifts_deletions", lambda: ledger.deletion_requests(connection))
        if asked is None:
            return dg.SkipReason("nobody has asked to delete a file")
        file_partitions.remove(context.instance, connection, [to_key(name) for name in asked.names])
    if context.instance.get_runs_count(dg.RunsFilter(job_name=delete_files.name, statuses=UNFINISHED)):
        return dg.SkipReason("a run is deleting files")
    # A run that fails is repeated after a while.
    return dg.RunRequest(run_key=f"{asked.last_at.isoformat()} {int(time.time() / _RETRY_S)}")
