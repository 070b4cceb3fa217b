"""Derived tables: the tiles and clusters of every pair, compared with a new computation."""

import numpy as np
import psycopg
from numpy.typing import NDArray

from shifts_core.clustering.estimator import TripClusterer
from shifts_core.tiles.codec import Tile, decode_tile
from shifts_core.tiles.encode import encode_tile
from shifts_core.time_filter import minutes_of_week
from shifts_pipeline.storage.cluster_tables import cluster_pair
from shifts_pipeline.storage.region_week import PairTrips, read_pair
from tests.soak.platform import SoakPlatform
from tests.soak.questions import MAX_RADIUS_M, MIN_TRIPS
from tests.soak.report import Report


class DerivedCheck:
    """Computes both layers of each (region, week) pair again; finds rows that were altered, lost or not removed."""

    def __init__(self, platform: SoakPlatform, report: Report) -> None:
        self._platform, self._report = platform, report
        self._clusterer = TripClusterer(min_trips=MIN_TRIPS, max_radius_m=MAX_RADIUS_M)

    def check(self) -> None:
        """Checks every pair that ever had trips."""
        pairs = self._platform.query(
            "SELECT r.name, w.week FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)"
            " ORDER BY 1, 2"
        )
        with psycopg.connect(self._platform.trips_database) as connection:
            for region, week in pairs:
                pair = read_pair(connection, region, week)
                assert pair is not None
                self._check_clusters(pair)
                self._check_tiles(pair)
        self._report.check("pairs computed again", len(pairs))

    def _check_tiles(self, pair: PairTrips) -> None:
        stored = [
            (is_deletion, Tile(trips, bytes(leaves), bytes(high_bits), bytes(low_bits)))
            for is_deletion, trips, leaves, high_bits, low_bits in self._platform.query(
                "SELECT s.trips < 0, t.trips, t.leaves, t.high_bits, t.low_bits"
                " FROM shifts_store.weekly_trip_tiles t"
                " JOIN shifts_store.tile_segments s USING (region_id, week, segment)"
                " WHERE t.region_id = %s AND t.week = %s",
                [pair.region_id, pair.week],
            )
        ]
        none = np.empty((0, 5))
        added, subtracted = (
            np.concatenate(
                [none, *(_rows(*decode_tile(tile)) for deletion, tile in stored if deletion is wanted)]
            )
            for wanted in (False, True)
        )
        of_pair = _rows(pair.ends, minutes_of_week(pair.moments))
        if any(encode_tile(*decode_tile(tile)) != tile for _, tile in stored) or not np.array_equal(
            _sorted_rows(added), _sorted_rows(np.concatenate([of_pair, subtracted]))
        ):
            self._report.finding(
                "tiles differ from a fresh computation",
                region=pair.region,
                week=pair.week,
                stored=len(added) - len(subtracted),
                wanted=len(pair.ends),
            )

    def _check_clusters(self, pair: PairTrips) -> None:
        stored: dict[int, set[int]] = {}
        for cluster_id, trip_id in self._platform.query(
            "SELECT cluster_id, unnest(trip_ids) FROM shifts_store.trip_clusters"
            " WHERE region_id = %s AND week = %s",
            [pair.region_id, pair.week],
        ):
            stored.setdefault(cluster_id, set()).add(trip_id)
        if _partition(stored) != (wanted := _clusters(cluster_pair(pair, self._clusterer).labels, pair)):
            self._report.finding(
                "clusters differ from a fresh computation",
                region=pair.region,
                week=pair.week,
                stored=len(stored),
                wanted=len(wanted),
            )


def _sorted_rows(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    return ends[np.lexsort(ends.T)]


def _partition(clusters: dict[int, set[int]]) -> set[frozenset[int]]:
    return {frozenset(members) for members in clusters.values()}


def _clusters(labels: NDArray[np.int64], pair: PairTrips) -> set[frozenset[int]]:
    """Return the trip ids of each cluster; `labels` is the cluster of each trip, -1 for none."""
    clusters: dict[int, set[int]] = {}
    for label, trip_id in zip(labels.tolist(), pair.trip_ids.tolist(), strict=True):
        if label >= 0:
            clusters.setdefault(label, set()).add(trip_id)
    return _partition(clusters)


def _rows(ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Trips as rows of four coordinates and a minute; shape (n, 5)."""
    return np.column_stack([ends, minutes])
