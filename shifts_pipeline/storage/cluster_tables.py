"""Rows of the two cluster tables: computed from a pair's trips, and written in the layer's transaction."""

from dataclasses import dataclass
from datetime import date, time
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import and_, delete

from shifts_core.clustering.identity import cluster_ids
from shifts_core.schema.tables import trip_cluster_members, trip_clusters
from shifts_pipeline.storage.binary_copy import new_rows, row_dtype, to_bytes
from shifts_pipeline.storage.region_week import PairTrips
from shifts_pipeline.storage.statements import execute

if TYPE_CHECKING:
    import pandas as pd

    from shifts_core.clustering.estimator import TripClusterer

_DAY_US = 86_400_000_000
_EPOCH_2000 = date(2000, 1, 1)
_MEMBER = row_dtype(week=">i4", region_id=">i4", cluster_id=">i8", trip_id=">i8")


@dataclass(frozen=True)
class PairClusters:
    """The clusters of a (region, week) pair."""

    trips: PairTrips
    labels: NDArray[np.int64]
    """Shape (n,): row in `clusters` of each trip, -1 for trips in no cluster."""
    clusters: "pd.DataFrame"
    """Largest cluster first. Columns: cluster_id, time_bin (of the typical time, counted from midnight), trips,
    radius_m, typical_s, earliest_s, latest_s, share_of_bin (of the trips that start in the bin on any day of the
    week), origin_lon, origin_lat, destination_lon, destination_lat."""


def cluster_pair(trips: PairTrips, clusterer: "TripClusterer") -> PairClusters:
    """Cluster the trips of all days of a week by their wall-clock time of day.

    Fits `clusterer`, unless the pair has no trips.
    """
    import pandas as pd  # noqa: PLC0415  takes 0.4 s, which the other assets' runs need not pay

    if not len(trips.trip_ids):
        return PairClusters(
            trips, np.empty(0, np.int64), pd.DataFrame({"cluster_id": [], "trips": []}, dtype=int)
        )
    # The id decides between trips that are equal in everything else.
    order = np.argsort(trips.trip_ids)
    features = trip_features(trips)
    clusterer.fit(features[order])
    labels = np.empty(len(order), np.int64)
    labels[order] = clusterer.labels_
    centers = clusterer.cluster_centers_
    bins = (centers[:, 4] // clusterer.window_s).astype(np.int64)
    trips_per_bin = np.bincount(
        (features[:, 4] // clusterer.window_s).astype(np.int64), minlength=int(bins.max(initial=0)) + 1
    )
    clusters = pd.DataFrame(
        {
            "cluster_id": cluster_ids(trips.region, trips.week, labels, trips.ends, trips.moments),
            "time_bin": bins,
            "trips": clusterer.cluster_sizes_,
            "radius_m": clusterer.cluster_radii_m_,
            "typical_s": centers[:, 4],
            "earliest_s": clusterer.cluster_earliest_s_,
            "latest_s": clusterer.cluster_latest_s_,
            "share_of_bin": clusterer.cluster_sizes_ / np.maximum(trips_per_bin[bins], 1),
            "origin_lon": centers[:, 0],
            "origin_lat": centers[:, 1],
            "destination_lon": centers[:, 2],
            "destination_lat": centers[:, 3],
        }
    )
    return PairClusters(trips, labels, clusters)


def trip_features(trips: PairTrips) -> NDArray[np.float64]:
    """Return the columns that `TripClusterer` is fitted to; shape (n, 5)."""
    return np.column_stack([trips.ends, trips.moments % _DAY_US / 1e6])


def write_clusters(pair: PairClusters, connection: psycopg.Connection) -> None:
    """Replace the pair's clusters and members in the open transaction."""
    trips = pair.trips
    for table in (trip_cluster_members, trip_clusters):
        is_pair = and_(table.c.region_id == trips.region_id, table.c.week == trips.week)
        execute(connection, delete(table).where(is_pair))
    ids = _unused_ids(connection, trips.week, pair.clusters["cluster_id"].to_numpy())
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY shifts_store.trip_clusters (cluster_id, region_id, week, time_bin, trips, radius_m, typical_time,"
            " earliest_time, latest_time, share_of_bin, origin, destination) FROM STDIN"
        ) as copy,
    ):
        for id_, cluster in zip(ids.tolist(), pair.clusters.to_dict("records"), strict=True):
            copy.write_row(
                (
                    id_,
                    trips.region_id,
                    trips.week,
                    cluster["time_bin"],
                    cluster["trips"],
                    cluster["radius_m"],
                    clock(cluster["typical_s"]),
                    clock(cluster["earliest_s"]),
                    clock(cluster["latest_s"]),
                    cluster["share_of_bin"],
                    f"SRID=4326;POINT({cluster['origin_lon']!r} {cluster['origin_lat']!r})",
                    f"SRID=4326;POINT({cluster['destination_lon']!r} {cluster['destination_lat']!r})",
                )
            )
    members = np.flatnonzero(pair.labels >= 0)
    # In the order of the index on a cluster's trips.
    members = members[np.lexsort((trips.trip_ids[members], ids[pair.labels[members]]))]
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY shifts_store.trip_cluster_members (week, region_id, cluster_id, trip_id) FROM STDIN"
            " (FORMAT binary)"
        ) as copy,
    ):
        rows = new_rows(_MEMBER, len(members))
        rows["week"] = (trips.week - _EPOCH_2000).days
        rows["region_id"] = trips.region_id
        rows["cluster_id"] = ids[pair.labels[members]]
        rows["trip_id"] = trips.trip_ids[members]
        copy.write(to_bytes(rows))


def clock(seconds: float) -> time:
    """Return the time of day that many seconds after midnight, to the microsecond."""
    micros = round(seconds * 1e6) % _DAY_US
    minutes, micros = divmod(micros, 60_000_000)
    return time(minutes // 60, minutes % 60, micros // 1_000_000, micros % 1_000_000)


def _unused_ids(connection: psycopg.Connection, week: date, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ids, changed where another region's cluster of the week has the same one by chance."""
    ids = ids.copy()
    used = set(ids.tolist())
    while True:
        rows = connection.execute(
            "SELECT cluster_id FROM shifts_store.trip_clusters WHERE week = %s AND cluster_id = ANY (%s)",
            [week, ids.tolist()],
        ).fetchall()
        if not rows:
            return ids
        for cluster in np.flatnonzero(np.isin(ids, [id_ for (id_,) in rows])).tolist():
            while ids[cluster] in used:
                ids[cluster] += 1
            used.add(int(ids[cluster]))
