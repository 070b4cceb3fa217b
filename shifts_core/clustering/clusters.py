"""The clustering algorithm from coordinates to labels: DBSCAN's dense trips, made into compact clusters."""

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NOISE, compact_clusters
from shifts_core.clustering.build_tree import build_in_place
from shifts_core.clustering.counting import count_neighbours
from shifts_core.clustering.dbscan import is_core_or_border
from shifts_core.clustering.ordering import sort_trips
from shifts_core.clustering.describe import (
    Clusters,
    compute_centroids,
    describe_clusters,
    distances_to_centroids,
)
from shifts_core.clustering.kd_tree import KDTree, SearchRadius, with_alive
from shifts_core.clustering.parameters import (
    DEFAULT_EPS_M,
    DEFAULT_MAX_RADIUS_M,
    DEFAULT_MIN_TRIPS,
    DEFAULT_WINDOW_MINUTES,
    check_parameters,
)
from shifts_core.clustering.projection import to_plane
from shifts_core.clustering.refine import assign_leftovers, cluster_leftovers, list_members

_GROUND_SHARE = 0.995
"""Share of the radius that may be used on the sphere: over such distances sphere and ellipsoid differ by up to the
rest."""

_TIME_WEIGHT = 4
"""Weight of time when a node of the tree is split: many trips between the same two stations differ in time only, and
narrower time ranges count 300,000 of them in a third of the time."""


def find_clusters(
    od_coords: NDArray[np.float64],
    times_s: NDArray[np.float64],
    *,
    eps_m: float = DEFAULT_EPS_M,
    min_trips: int = DEFAULT_MIN_TRIPS,
    max_radius_m: float = DEFAULT_MAX_RADIUS_M,
    window_s: float = 60.0 * DEFAULT_WINDOW_MINUTES,
) -> Clusters:
    """Cluster trips that are close in origin, destination and time of day; each trip is in one cluster at most.

    The result depends on the trips only, not on their order. `TripClusterer` documents the parameters.

    Args:
        od_coords: shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees.
        times_s: shape (n,): time of day, seconds since midnight, 0 <= t < 86400.
        eps_m: DBSCAN's eps over origin and destination together, metres.
        min_trips: least number of neighbours of a core sample, itself included, and of trips in a cluster.
        max_radius_m: largest distance of a trip from its cluster's centroid at either end, metres.
        window_s: largest difference between two times of day in a cluster, seconds.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_parameters(eps_m, min_trips, max_radius_m, window_s)
    points, order = sort_trips(od_coords, times_s, None)
    od_coords, times_s = od_coords[order], times_s[order]
    ordered_labels = np.full(len(od_coords), NOISE, np.int64)
    if len(od_coords) >= min_trips:
        points[:,:4] = to_plane(od_coords)
        tree, tree_order = build_in_place(points, _TIME_WEIGHT * max_radius_m / (window_s / 2))
        ordered_labels[tree_order] = _label_tree(
            tree, eps_m, min_trips, max_radius_m * _GROUND_SHARE, window_s
        )
        ordered_labels = _enforce_radius(ordered_labels, od_coords, min_trips, max_radius_m * _GROUND_SHARE)
    clusters = describe_clusters(ordered_labels, od_coords, times_s)
    labels = np.empty(len(od_coords), np.int64)
    labels[order] = clusters.labels
    return Clusters(**{**vars(clusters), "labels": labels})


def _label_tree(
    tree: KDTree, eps_m: float, min_trips: int, radius_m: float, window_s: float
) -> NDArray[np.int32]:
    """Return the cluster of each trip of the tree, shape (n,)."""
    radius = SearchRadius(radius_m, window_s / 2, False)
    dense = is_core_or_border(tree, eps_m, window_s, min_trips)
    unassigned = with_alive(tree, dense)
    labels, n_clusters = compact_clusters(
        unassigned, count_neighbours(unassigned, radius, dense), radius, min_trips
    )
    members = list_members(labels, n_clusters, min_trips)
    reach = SearchRadius(radius_m, window_s, False)
    assign_leftovers(unassigned, members, n_clusters, radius_m, window_s, reach)
    counts = count_neighbours(unassigned, radius, unassigned.alive)
    n_clusters = cluster_leftovers(
        unassigned, with_alive(tree, dense), members, n_clusters, counts, radius, min_trips
    )
    assign_leftovers(unassigned, members, n_clusters, radius_m, window_s, reach)
    refined: NDArray[np.int32] = members.labels
    return refined


def _enforce_radius(
    labels: NDArray[np.int64], od_coords: NDArray[np.float64], min_trips: int, radius_m: float
) -> NDArray[np.int64]:
    """Drop trips that are within the radius in the plane only, and clusters that become too small."""
    labels = labels.copy()
    while True:
        distances = distances_to_centroids(labels, od_coords, compute_centroids(labels, od_coords))
        far = distances > radius_m
        sizes = np.bincount(labels[labels != NOISE], minlength=1)
        small = (labels != NOISE) & (sizes[labels] < min_trips)
        if not (far | small).any():
            return labels
        labels[far | small] = NOISE
