"""The keys of the assets: what checks, jobs and sensors name without importing an asset."""

import dagster as dg

RAW_TRIPS = dg.AssetKey("raw_trips")
TRIP_CLUSTERS = dg.AssetKey("trip_clusters")
WEEKLY_AGGREGATES = dg.AssetKey("weekly_aggregates")
