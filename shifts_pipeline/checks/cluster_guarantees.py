"""The checks of `trip_clusters`: every cluster keeps its radius, and its members belong to it."""

import dagster as dg

from shifts_pipeline.asset_keys import TRIP_CLUSTERS
from shifts_pipeline.partitions import WEEKS
from shifts_pipeline.storage.cluster_violations import MEMBERS_BELONG, WITHIN_RADIUS

cluster_guarantees_specs = [
    dg.AssetCheckSpec(
        WITHIN_RADIUS,
        asset=TRIP_CLUSTERS,
        partitions_def=WEEKS,
        description="No trip is farther from its cluster's centroid than the cluster's radius, at either end,"
        " and no radius exceeds the limit. Measured on the rows that were written.",
    ),
    dg.AssetCheckSpec(
        MEMBERS_BELONG,
        asset=TRIP_CLUSTERS,
        partitions_def=WEEKS,
        description="Every cluster has at least the least number of trips. Its trips exist, in its region,"
        " week and time window, and are in no other cluster.",
    ),
]
