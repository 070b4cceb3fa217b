"""A code location with one job that waits until its process is killed."""

import threading

import dagster as dg

from shifts_pipeline.jobs.asset_jobs import load_trip_files


@dg.op
def wait() -> None:
    """Never ends."""
    threading.Event().wait()


@dg.job(name=load_trip_files.name, executor_def=dg.in_process_executor)
def blocking_job() -> None:
    """Runs like a load whose worker has no lock."""
    wait()


defs = dg.Definitions(jobs=[blocking_job])
