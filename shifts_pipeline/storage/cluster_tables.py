"""Rows of the table of clusters: computed from a pair's trips, and written for several pairs at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from shifts_core.clustering.clusters import find_clusters
from shifts_core.clustering.identity import cluster_ids
from shifts_core.clustering.members import members_by_cluster
from shifts_pipeline.storage.binary_copy import BIGINT_ARRAY, concatenated, new_rows, row_dtype, with_arrays
from shifts_pipeline.storage.copy_format import POINT, set_ends, set_point_types
from shifts_pipeline.storage.region_week import PairTrips

if TYPE_CHECKING:
    from shifts_core.clustering.estimator import TripClusterer

_DAY_US = 86_400_000_000
_EPOCH_2000 = date(2000, 1, 1)
_CLUSTER = row_dtype(
    cluster_id=">i8",
    region_id=">i4",
    week=">i4",
    time_bin=">i2",
    trips=">i4",
    radius_m=">f8",
    typical_time=">i8",
    earliest_time=">i8",
    latest_time=">i8",
    share_of_bin=">f8",
    origin=POINT,
    destination=POINT,
    trip_ids=BIGINT_ARRAY,
)


@dataclass(frozen=True)
class PairClusters:
    """The clusters of a (region, week) pair."""

    trips: PairTrips
    labels: NDArray[np.int64]
    """Shape (n,): row in `rows` of each trip, -1 for trips in no cluster."""
    rows: NDArray[np.void]
    """Rows of `trip_clusters` for COPY, largest cluster first. The time bin is that of the typical time, the share of
    the trips that start in the bin on any day of the week."""


def cluster_pair(trips: PairTrips, clusterer: "TripClusterer") -> PairClusters:
    """Cluster the trips of all days of a week by their wall-clock time of day.

    `clusterer` gives the parameters. The id decides between trips that are equal in everything else.
    """
    if not len(trips.trip_ids):
        return PairClusters(trips, np.empty(0, np.int64), new_rows(_CLUSTER, 0))
    times_s = trips.moments % _DAY_US / 1e6
    # The arrays go to the function below the estimator, which would hold copies of them.
    found = find_clusters(trips.ends, times_s, trips.trip_ids, **clusterer.get_params())
    bins = (found.typical_s // clusterer.window_s).astype(np.int64)
    trips_per_bin = np.bincount(
        (times_s // clusterer.window_s).astype(np.int64), minlength=int(bins.max(initial=0)) + 1
    )
    rows = new_rows(_CLUSTER, len(found.sizes))
    rows["cluster_id"] = cluster_ids(trips.region, trips.week, found.labels, trips.ends, trips.moments)
    rows["region_id"] = trips.region_id
    rows["week"] = _days(trips.week)
    rows["time_bin"] = bins
    rows["trips"] = found.sizes
    rows["radius_m"] = found.radii_m
    rows["typical_time"] = clock_us(found.typical_s)
    rows["earliest_time"] = clock_us(found.earliest_s)
    rows["latest_time"] = clock_us(found.latest_s)
    rows["share_of_bin"] = found.sizes / np.maximum(trips_per_bin[bins], 1)
    set_point_types(rows)
    set_ends(rows, found.centroids)
    return PairClusters(trips, found.labels, rows)


def trip_features(trips: PairTrips) -> NDArray[np.float64]:
    """Return the columns that `TripClusterer` is fitted to; shape (n, 5)."""
    return np.column_stack([trips.ends, trips.moments % _DAY_US / 1e6])


def clock_us(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the times of day that many seconds after midnight, in microseconds; same shape."""
    return np.rint(seconds * 1e6).astype(np.int64) % _DAY_US


def write_clusters(pairs: Sequence[PairClusters], connection: psycopg.Connection) -> None:
    """Replace the clusters of pairs of one week in the open transaction."""
    week = pairs[0].trips.week
    connection.execute(
        "DELETE FROM shifts_store.trip_clusters WHERE week = %s AND region_id = ANY (%s)",
        [week, [pair.trips.region_id for pair in pairs]],
    )
    rows = concatenated([pair.rows for pair in pairs], _CLUSTER)
    rows["cluster_id"] = _unused_ids(connection, week, rows["cluster_id"].astype(np.int64))
    members = [members_by_cluster(pair.labels, pair.trips.trip_ids, len(pair.rows)) for pair in pairs]
    trip_ids = np.concatenate([ids for ids, _ in members])
    bounds = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(bounds) for _, bounds in members]))])
    columns = [name for name in _CLUSTER.names or () if name != "fields" and not name.endswith("_length")]
    statement = sql.SQL("COPY shifts_store.trip_clusters ({}) FROM STDIN (FORMAT binary)").format(
        sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in with_arrays(rows, "trip_ids", trip_ids, bounds):
            copy.write(piece)


def _days(week: date) -> int:
    """A date in PostgreSQL's binary form."""
    return (week - _EPOCH_2000).days


def _unused_ids(connection: psycopg.Connection, week: date, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ids, changed where another region's cluster of the week has the same one by chance."""
    # One writer of a week at a time: on several servers, no constraint sees the rows of all regions.
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtext('shifts_store.cluster_ids'), %s)", [_days(week)]
    )
    ids = ids.copy()
    used = set(ids.tolist())
    first_of_its_id = np.zeros(len(ids), np.bool_)
    first_of_its_id[np.unique(ids, return_index=True)[1]] = True
    taken = np.flatnonzero(~first_of_its_id)
    while True:
        for cluster in taken.tolist():
            while ids[cluster] in used:
                ids[cluster] += 1
            used.add(int(ids[cluster]))
        rows = connection.execute(
            "SELECT cluster_id FROM shifts_store.trip_clusters WHERE week = %s AND cluster_id = ANY (%s)",
            [week, ids.tolist()],
        ).fetchall()
        if not rows:
            return ids
        taken = np.flatnonzero(np.isin(ids, [id_ for (id_,) in rows]))
