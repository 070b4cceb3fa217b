"""The whole pipeline on one page: what Dagster loads."""

import threading

import dagster as dg

from shifts_core.trips.read_csv import load_compiled
from shifts_pipeline.assets.raw_trips import raw_trips
from shifts_pipeline.assets.trip_clusters import trip_clusters
from shifts_pipeline.assets.weekly_aggregates import weekly_aggregates
from shifts_pipeline.jobs.cleanup import cleanup, nightly_cleanup
from shifts_pipeline.jobs.names import LOAD_TRIP_FILES, REFRESH_WEEKS
from shifts_pipeline.resources import (
    ClusteringParameters,
    Feed,
    Landing,
    LoadLimits,
    TripsDatabase,
    WorkerLock,
)
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.lost_workers import lost_workers
from shifts_pipeline.sensors.queued_files import queued_files
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.settings import PipelineSettings, settings


def build_defs(options: PipelineSettings) -> dg.Definitions:
    """The pipeline for some settings.

    The databases' addresses hold passwords: they are read from the environment when a run needs them, so that
    Dagster never stores or shows them.
    """
    weekly = [asset(options.first_week) for asset in (trip_clusters, weekly_aggregates)]
    load_trip_files = dg.define_asset_job(LOAD_TRIP_FILES, selection=[raw_trips])
    refresh_weeks = dg.define_asset_job(REFRESH_WEEKS, selection=weekly)
    trips_url = dg.EnvVar("SHIFTS_DATABASE_URL")
    return dg.Definitions(
        assets=[raw_trips, *weekly],
        jobs=[load_trip_files, refresh_weeks, cleanup],
        schedules=[nightly_cleanup],
        sensors=[
            landing_zone,
            queued_files,
            stale_weeks,
            lost_workers,
        ],
        executor=dg.in_process_executor,
        resources={
            "trips_database": TripsDatabase(url=trips_url),
            "worker_lock": WorkerLock(url=trips_url),
            "feed": Feed(url=dg.EnvVar("SHIFTS_DAGSTER_DATABASE_URL")),
            "landing": Landing(url=dg.EnvVar("SHIFTS_LANDING_URL")),
            "load_limits": LoadLimits(
                first_week=options.first_week.isoformat(), max_rejected_share=options.max_rejected_share
            ),
            "clustering": ClusteringParameters(
                time_bin_minutes=options.time_bin_minutes,
                eps_m=options.cluster_eps_m,
                min_trips=options.cluster_min_trips,
                max_radius_m=options.cluster_max_radius_m,
            ),
        },
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the code server and the workers load: the pipeline for the settings in force."""
    # Dagster takes a second to begin a run, most of it waiting for its database.
    threading.Thread(target=load_compiled, name="load-compiled").start()
    return build_defs(settings())
