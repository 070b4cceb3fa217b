"""What clusters guarantee, measured by PostGIS on the written tables."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import psycopg

from shifts_pipeline.storage.pair_checks import record_failure

if TYPE_CHECKING:
    from shifts_core.clustering.estimator import TripClusterer

WITHIN_RADIUS = "every_cluster_is_within_its_radius"
MEMBERS_BELONG = "every_member_belongs_to_its_cluster"
_MAX_EXAMPLES = 20
"""Clusters that are named for each failed check."""


def check_clusters(
    connection: psycopg.Connection, region_ids: Sequence[int], week: date, clusterer: "TripClusterer"
) -> None:
    """Checks the clusters of (region, week) pairs of a week, and stores which checks fail.

    A cluster must not be wider than its radius says, nor than allowed. It must have enough trips, all of its region,
    week and time window. The primary key of the members already keeps a trip from being in two clusters.

    Args:
        connection: in autocommit mode.
        region_ids: the pairs, which the caller has locked.
        week: their Monday.
        clusterer: by whose parameters the trips were clustered.
    """
    with connection.transaction():
        # The planner has no statistics of newly loaded trips and expects too few for a nested loop.
        connection.execute("SET LOCAL enable_nestloop = off")
        found = connection.execute(
            "SELECT region_id, too_wide, wrong_members FROM shifts_store.cluster_violations(%s, %s, %s, %s)",
            [list(region_ids), week, clusterer.max_radius_m, clusterer.min_trips],
        ).fetchall()
    for region_id, too_wide, wrong_members in found:
        for check_name, cluster_ids in ((WITHIN_RADIUS, too_wide), (MEMBERS_BELONG, wrong_members)):
            if cluster_ids:
                details = {"violations": len(cluster_ids), "examples": cluster_ids[:_MAX_EXAMPLES]}
                record_failure(connection, region_id, week, "clusters", check_name, details)
