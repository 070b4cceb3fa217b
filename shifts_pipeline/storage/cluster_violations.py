"""What clusters guarantee, checked on the rows that were written."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from shifts_core.clustering.guarantees import CheckedClusters, CheckedMembers, CheckedTrips, find_violations
from shifts_pipeline.storage.binary_copy import copied_rows, row_dtype
from shifts_pipeline.storage.pair_checks import record_failure
from shifts_pipeline.storage.region_week import PairTrips

if TYPE_CHECKING:
    from shifts_core.clustering.estimator import TripClusterer

WITHIN_RADIUS = "every_cluster_is_within_its_radius"
MEMBERS_BELONG = "every_member_belongs_to_its_cluster"
_MAX_EXAMPLES = 20
"""Clusters that are named for each failed check."""
_DAY_US = 86_400_000_000
_CLUSTERS = (
    "COPY (SELECT region_id, cluster_id, trips, radius_m, earliest_time, latest_time,"
    " ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination)"
    " FROM shifts_store.trip_clusters WHERE week = {week} AND region_id = ANY ({regions}::integer[]))"
    " TO STDOUT (FORMAT binary)"
)
_CLUSTER = row_dtype(
    region_id=">i4",
    cluster_id=">i8",
    trips=">i4",
    radius_m=">f8",
    earliest=">i8",
    latest=">i8",
    x0=">f8",
    y0=">f8",
    x1=">f8",
    y1=">f8",
)
_MEMBERS = (
    "COPY (SELECT cluster_id, unnest(trip_ids) FROM shifts_store.trip_clusters"
    " WHERE week = {week} AND region_id = ANY ({regions}::integer[])) TO STDOUT (FORMAT binary)"
)
_MEMBER = row_dtype(cluster_id=">i8", trip_id=">i8")


def check_clusters(
    connection: psycopg.Connection, pairs: Sequence[PairTrips], clusterer: "TripClusterer"
) -> None:
    """Checks the clusters of pairs of a week, and stores which checks fail.

    Args:
        connection: in autocommit mode.
        pairs: the trips that were clustered, of pairs which the caller has locked.
        clusterer: by whose parameters the trips were clustered.
    """
    week = pairs[0].week
    values = {"week": sql.Literal(week), "regions": sql.Literal([pair.region_id for pair in pairs])}
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        rows = np.concatenate([*copied_rows(connection, sql.SQL(_CLUSTERS).format(**values), _CLUSTER)])
        rows = rows[np.argsort(rows["cluster_id"])]
        cluster_ids = rows["cluster_id"].astype(np.int64)
        clusters: list[NDArray[np.int64]] = []
        trip_ids: list[NDArray[np.int64]] = []
        for members in copied_rows(connection, sql.SQL(_MEMBERS).format(**values), _MEMBER):
            clusters.append(np.searchsorted(cluster_ids, members["cluster_id"].astype(np.int64)))
            trip_ids.append(members["trip_id"].astype(np.int64))
    found = find_violations(
        _trips(pairs),
        CheckedClusters(
            rows["region_id"].astype(np.int64),
            rows["trips"].astype(np.int64),
            rows["radius_m"].astype(np.float64),
            rows["earliest"].astype(np.int64),
            rows["latest"].astype(np.int64),
            np.column_stack([rows[name].astype(np.float64) for name in ("x0", "y0", "x1", "y1")]),
        ),
        CheckedMembers(np.concatenate(clusters), np.concatenate(trip_ids)),
        clusterer.max_radius_m,
        clusterer.min_trips,
    )
    for check_name, is_violation in ((WITHIN_RADIUS, found.too_wide), (MEMBERS_BELONG, found.wrong_members)):
        for region_id in np.unique(rows["region_id"][is_violation]).tolist():
            ids = cluster_ids[is_violation & (rows["region_id"] == region_id)].tolist()
            details = {"violations": len(ids), "examples": ids[:_MAX_EXAMPLES]}
            record_failure(connection, region_id, week, "clusters", check_name, details)


def _trips(pairs: Sequence[PairTrips]) -> CheckedTrips:
    if len(pairs) == 1:
        # A pair may have ten million trips: nothing is copied that need not be.
        (pair,) = pairs
        of_pair = np.broadcast_to(np.int64(pair.region_id), len(pair.trip_ids))
        return CheckedTrips(of_pair, pair.trip_ids, pair.moments % _DAY_US, pair.ends)
    return CheckedTrips(
        np.repeat([pair.region_id for pair in pairs], [len(pair.trip_ids) for pair in pairs]),
        np.concatenate([pair.trip_ids for pair in pairs]),
        np.concatenate([pair.moments for pair in pairs]) % _DAY_US,
        np.concatenate([pair.ends for pair in pairs]),
    )
