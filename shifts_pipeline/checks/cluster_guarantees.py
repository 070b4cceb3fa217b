"""The checks of `trip_clusters`: every cluster keeps its radius, and its members belong to it."""

import dagster as dg

from shifts_pipeline.asset_keys import TRIP_CLUSTERS
from shifts_pipeline.storage.cluster_violations import Violations

WITHIN_RADIUS = "every_cluster_is_within_its_radius"
MEMBERS_BELONG = "every_member_belongs_to_its_cluster"
_MAX_EXAMPLES = 20


def cluster_guarantees_specs(partitions: dg.MultiPartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """Return the specifications of both checks, for the partitions of the asset."""
    return [
        dg.AssetCheckSpec(
            WITHIN_RADIUS,
            asset=TRIP_CLUSTERS,
            partitions_def=partitions,
            description="No trip is farther from its cluster's centroid than the cluster's radius, at either end,"
            " and no radius exceeds the limit. PostGIS measures the written tables.",
        ),
        dg.AssetCheckSpec(
            MEMBERS_BELONG,
            asset=TRIP_CLUSTERS,
            partitions_def=partitions,
            description="Every cluster has at least the least number of trips. Its trips exist, in its region,"
            " week and time window, and are in no other cluster.",
        ),
    ]


def cluster_guarantees(partition: str, violations: Violations) -> list[dg.AssetCheckEvaluation]:
    """Return the evaluations of both checks for a (region, week) pair."""
    return [
        dg.AssetCheckEvaluation(
            asset_key=TRIP_CLUSTERS,
            check_name=name,
            passed=not cluster_ids,
            metadata={"violations": len(cluster_ids), "examples": cluster_ids[:_MAX_EXAMPLES]},
            partition=partition,
        )
        for name, cluster_ids in (
            (WITHIN_RADIUS, violations.too_wide),
            (MEMBERS_BELONG, violations.wrong_members),
        )
    ]
