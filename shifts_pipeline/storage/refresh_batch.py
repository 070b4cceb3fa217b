"""Refreshes the clusters of many small (region, week) pairs of a week together.

A small pair takes longer to ask for than to cluster: a batch reads, writes and checks all its pairs by one statement
each. Rows are the same as those of `refresh_pair`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import psycopg

from shifts_pipeline.storage.cluster_tables import PairClusters, cluster_pair, write_clusters
from shifts_pipeline.storage.cluster_violations import check_clusters
from shifts_pipeline.storage.region_week import PairTrips, read_pairs
from shifts_pipeline.storage.stale_pairs import Pair

if TYPE_CHECKING:
    from shifts_core.clustering.estimator import TripClusterer

MAX_PAIR_TRIPS = 2_000
"""Trips of a pair that is small. Clustering more of them takes longer than the statements of a refresh."""
_MAX_BATCH_TRIPS = 20_000
_MAX_BATCH_PAIRS = 200


def batches(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    """Splits small pairs of a week into batches of neighbouring regions, whose trips are stored side by side."""
    batch: list[Pair] = []
    trips = 0
    for pair in sorted(pairs, key=lambda pair: pair.region_id):
        if batch and (len(batch) == _MAX_BATCH_PAIRS or trips + pair.trips > _MAX_BATCH_TRIPS):
            yield batch
            batch, trips = [], 0
        batch.append(pair)
        trips += pair.trips
    if batch:
        yield batch


def refresh_batch(
    connection: psycopg.Connection, pairs: Sequence[Pair], clusterer: "TripClusterer"
) -> dict[str, int]:
    """Replaces the clusters of pairs of a week in one transaction.

    Pairs that a load has changed trips of meanwhile stay stale.

    Args:
        connection: in autocommit mode.
        pairs: the pairs, which the caller has locked.
        clusterer: fitted to each pair.

    Returns:
        The number of trips that were read, by region.
    """
    week = pairs[0].week
    found = read_pairs(connection, {pair.region_id: pair.region for pair in pairs}, week)
    written = _replace_clusters(connection, [cluster_pair(trips, clusterer) for trips in found])
    if written:
        check_clusters(connection, written, clusterer)
    return {trips.region: len(trips.trip_ids) for trips in found}


def _replace_clusters(connection: psycopg.Connection, pairs: Sequence[PairClusters]) -> list[PairTrips]:
    """As `replace_derived`, for many pairs; returns those that were written."""
    week = pairs[0].trips.week
    with connection.transaction():
        locked = {
            region_id
            for (region_id,) in connection.execute(
                "SELECT * FROM shifts_store.lock_without_deletions(%s, %s, %s::bigint[])",
                [
                    [pair.trips.region_id for pair in pairs],
                    week,
                    [pair.trips.deletion_count for pair in pairs],
                ],
            )
        }
        kept = [pair for pair in pairs if pair.trips.region_id in locked]
        region_ids = [pair.trips.region_id for pair in kept]
        if kept:
            connection.execute(
                "DELETE FROM shifts_store.failed_pair_checks"
                " WHERE week = %s AND derived_table = 'clusters' AND region_id = ANY (%s)",
                [week, region_ids],
            )
            write_clusters(kept, connection)
            connection.execute(
                "UPDATE shifts_store.region_weeks w SET clusters_revision = u.revision, clusters_at = now()"
                " FROM unnest(%s::integer[], %s::bigint[]) AS u (region_id, revision)"
                " WHERE w.region_id = u.region_id AND w.week = %s",
                [region_ids, [pair.trips.revision for pair in kept], week],
            )
    return [pair.trips for pair in kept]
