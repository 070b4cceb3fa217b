"""The whole pipeline on one page: the assets, checks, jobs, sensors, schedules and resources that Dagster loads."""

import dagster as dg

from shifts_pipeline.assets.raw_trips import raw_trips
from shifts_pipeline.assets.shift_backtest import shift_backtest
from shifts_pipeline.assets.shifts import shifts
from shifts_pipeline.assets.stops import stops
from shifts_pipeline.assets.weekly_assets import weekly_assets
from shifts_pipeline.assets.zones import zones
from shifts_pipeline.checks.audit import audit
from shifts_pipeline.checks.freshness import freshness
from shifts_pipeline.jobs.asset_jobs import (
    backtest_shifts,
    load_stops,
    load_trip_files,
    load_zones,
    refresh_shifts,
    refresh_weeks,
)
from shifts_pipeline.jobs.check_jobs import (
    audit_everything,
    check_freshness,
    check_freshness_every_15_minutes,
    nightly_audit,
)
from shifts_pipeline.jobs.cleanup import cleanup, nightly_cleanup
from shifts_pipeline.jobs.deletion import delete_files
from shifts_pipeline.jobs.retention import nightly_retention, retention_job
from shifts_pipeline.resources.audit_retention import AuditRetention
from shifts_pipeline.resources.cells import CellParameters
from shifts_pipeline.resources.clustering import ClusteringParameters
from shifts_pipeline.resources.feed import Feed
from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.load_limits import LoadLimits
from shifts_pipeline.resources.retention import Retention
from shifts_pipeline.resources.shift_making import ShiftMaking
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.sensors.deleted_files import deleted_files
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.lost_workers import lost_workers
from shifts_pipeline.sensors.queued_files import queued_files
from shifts_pipeline.sensors.stale_shifts import stale_shifts
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.settings import PipelineSettings, settings


def build_defs(options: PipelineSettings) -> dg.Definitions:
    """Builds the pipeline for some settings.

    Runs and sensors read URLs from the environment: Dagster neither stores nor shows the passwords in them, and the
    definitions load without any.
    """
    trips_url = dg.EnvVar("SHIFTS_DATABASE_URL")
    return dg.Definitions(
        assets=[raw_trips, weekly_assets, stops, zones, shifts, shift_backtest],
        asset_checks=[freshness, audit],
        jobs=[
            load_trip_files,
            refresh_weeks,
            refresh_shifts,
            load_stops,
            load_zones,
            backtest_shifts,
            check_freshness,
            audit_everything,
            cleanup,
            delete_files,
            retention_job,
        ],
        schedules=[check_freshness_every_15_minutes, nightly_audit, nightly_cleanup, nightly_retention],
        sensors=[landing_zone, queued_files, deleted_files, stale_weeks, stale_shifts, lost_workers],
        executor=dg.in_process_executor,
        resources={
            "trips_database": TripsDatabase(url=trips_url),
            "worker_lock": WorkerLock(url=trips_url),
            "feed": Feed(url=dg.EnvVar("SHIFTS_DAGSTER_DATABASE_URL")),
            "landing": Landing(url=dg.EnvVar("SHIFTS_LANDING_URL")),
            "load_limits": LoadLimits(
                first_week=options.first_week.isoformat(),
                retention_weeks=options.retention_weeks,
                max_rejected_share=options.max_rejected_share,
            ),
            "retention": Retention(weeks=options.retention_weeks, keep_totals=options.keep_totals),
            "audit_retention": AuditRetention(weeks=options.audit_weeks),
            "cells": CellParameters(min_count=options.min_count),
            "clustering": ClusteringParameters(
                time_bin_minutes=options.time_bin_minutes,
                eps_m=options.cluster_eps_m,
                min_trips=options.cluster_min_trips,
                max_radius_m=options.cluster_max_radius_m,
            ),
            "shift_making": ShiftMaking(
                weeks=options.shift_weeks,
                min_riders=options.shift_min_riders,
                time_bin_minutes=options.time_bin_minutes,
                max_radius_m=options.cluster_max_radius_m,
            ),
        },
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the code server and the run workers load."""
    return build_defs(settings())
