"""What clusters guarantee, checked on their rows and members, whatever wrote them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.projection import haversine_m
from shifts_core.id_places import find_places

_ROUNDING_M = 0.01
_AT_ONCE = 1 << 20
"""Members whose distances are in memory at one time."""


class CheckedTrips(NamedTuple):
    """Trips of one or several pairs; shape (n,), but for the ends."""

    pairs: NDArray[np.int64]
    ids: NDArray[np.int64]
    clocks_us: NDArray[np.int64]
    """Times of day, microseconds since midnight."""
    ends: NDArray[np.float64]
    """Shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees."""


class CheckedClusters(NamedTuple):
    """Rows of clusters of these pairs; shape (k,), but for the centroids."""

    pairs: NDArray[np.int64]
    trips: NDArray[np.int64]
    radii_m: NDArray[np.float64]
    earliest_us: NDArray[np.int64]
    latest_us: NDArray[np.int64]
    """Before the earliest time in windows that cross midnight."""
    centroids: NDArray[np.float64]
    """Shape (k, 4), as the ends of trips."""


class CheckedMembers(NamedTuple):
    """Which trips the clusters state; shape (m,)."""

    clusters: NDArray[np.int64]
    """Places among the rows."""
    ids: NDArray[np.int64]


class Violations(NamedTuple):
    """Which clusters break a guarantee; shape (k,)."""

    too_wide: NDArray[np.bool_]
    """A trip is farther from the centroid than the radius says, or the radius is larger than the maximum."""
    wrong_members: NDArray[np.bool_]
    """Another number of trips than the row says, or too few; or a trip that does not exist, that is of another pair
    or outside of the window, or that a cluster states twice or another one states too."""


def find_violations(
    trips: CheckedTrips,
    clusters: CheckedClusters,
    members: CheckedMembers,
    max_radius_m: float,
    min_trips: int,
) -> Violations:
    """Checks every cluster.

    Args:
        trips: all trips of the pairs.
        clusters: all their clusters.
        members: the trips of all these clusters, in any order.
        max_radius_m: the largest radius allowed, metres.
        min_trips: the least number of trips allowed.
    """
    # Negated: a radius that is no number is too wide.
    too_wide = ~(clusters.radii_m <= max_radius_m)
    stated = np.bincount(members.clusters, minlength=len(too_wide))
    wrong = (stated != clusters.trips) | (clusters.trips < min_trips)
    places, is_repeated = find_places(trips.ids, members.ids)
    wrong[members.clusters[is_repeated | (places < 0)]] = True
    for begin in range(0, len(places), _AT_ONCE):
        place, cluster = places[begin : begin + _AT_ONCE], members.clusters[begin : begin + _AT_ONCE]
        exists = place >= 0
        place, cluster = place[exists], cluster[exists]
        wrong[cluster[trips.pairs[place] != clusters.pairs[cluster]]] = True
        wrong[cluster[~_is_within(trips, clusters, place, cluster)]] = True
        ends, centroids = trips.ends[place], clusters.centroids[cluster]
        distance_m = np.maximum(
            haversine_m(ends[:, 0], ends[:, 1], centroids[:, 0], centroids[:, 1]),
            haversine_m(ends[:, 2], ends[:, 3], centroids[:, 2], centroids[:, 3]),
        )
        too_wide[cluster[~(distance_m <= clusters.radii_m[cluster] + _ROUNDING_M)]] = True
    return Violations(too_wide, wrong)


def _is_within(
    trips: CheckedTrips, clusters: CheckedClusters, place: NDArray[np.int64], cluster: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether trips begin in the windows of clusters."""
    clock, earliest, latest = (
        trips.clocks_us[place],
        clusters.earliest_us[cluster],
        clusters.latest_us[cluster],
    )
    is_after, is_before = clock >= earliest, clock <= latest
    return np.where(earliest <= latest, is_after & is_before, is_after | is_before)
