"""The keys of the assets: what checks, jobs and sensors name without importing an asset."""

import dagster as dg

from shifts_pipeline.storage.region_week import DerivedTable

RAW_TRIPS = dg.AssetKey("raw_trips")
TRIP_CLUSTERS = dg.AssetKey("trip_clusters")
WEEKLY_AGGREGATES = dg.AssetKey("weekly_aggregates")
STOPS = dg.AssetKey("stops")
ZONES = dg.AssetKey("zones")
SHIFTS = dg.AssetKey("shifts")
SHIFT_BACKTEST = dg.AssetKey("shift_backtest")
ASSET_OF: dict[DerivedTable, dg.AssetKey] = {"aggregates": WEEKLY_AGGREGATES, "clusters": TRIP_CLUSTERS}
