"""The jobs that sensors request: one loads files, the others refresh the tables derived from trips."""

import dagster as dg

from shifts_pipeline.asset_keys import (
    RAW_TRIPS,
    SHIFT_BACKTEST,
    SHIFTS,
    STOPS,
    TRIP_CLUSTERS,
    WEEKLY_AGGREGATES,
    ZONES,
)
from shifts_pipeline.checks.audit import audit
from shifts_pipeline.checks.freshness import freshness

_CHECKS_OF_ALL_PARTITIONS = dg.AssetSelection.checks(audit, freshness)

LOADING_POOL = "raw_trips"
"""Limits how many runs load files at a time."""
WEEKLY_POOL = "weekly_assets"
"""Limits how many runs refresh weeks or shifts at a time."""

load_trip_files = dg.define_asset_job(
    "load_trip_files",
    selection=dg.AssetSelection.assets(RAW_TRIPS) - _CHECKS_OF_ALL_PARTITIONS,
    description="Loads files of trips, each a partition of `raw_trips`. The sensor `queued_files` requests it."
    " A file that cannot be loaded fails the run after all others are loaded.",
)
refresh_weeks = dg.define_asset_job(
    "refresh_weeks",
    selection=dg.AssetSelection.assets(WEEKLY_AGGREGATES, TRIP_CLUSTERS) - _CHECKS_OF_ALL_PARTITIONS,
    description="Computes `weekly_aggregates` and `trip_clusters` of weeks whose trips have changed. The sensor"
    " `stale_weeks` requests it.",
)
refresh_shifts = dg.define_asset_job(
    "refresh_shifts",
    selection=dg.AssetSelection.assets(SHIFTS) - _CHECKS_OF_ALL_PARTITIONS,
    # Clusters come first.
    tags={"dagster/priority": "-1"},
    description="Makes the shifts of regions whose trips have changed, after their clusters. The sensor"
    " `stale_shifts` requests it.",
)
load_stops = dg.define_asset_job(
    "load_stops",
    selection=dg.AssetSelection.assets(STOPS),
    description="Reads files of stops that are new, changed or gone. The sensor `landing_zone` requests it.",
)
load_zones = dg.define_asset_job(
    "load_zones",
    selection=dg.AssetSelection.assets(ZONES),
    description="Reads files of zones that are new, changed or gone. The sensor `landing_zone` requests it.",
)
backtest_shifts = dg.define_asset_job(
    "backtest_shifts",
    selection=dg.AssetSelection.assets(SHIFT_BACKTEST),
    description="Tests shifts on the weeks that followed, of one region. It is started by hand: it takes as long as"
    " making the shifts of these weeks.",
)
