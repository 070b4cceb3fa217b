"""The clustering algorithm from coordinates to labels: DBSCAN's dense trips, made into compact clusters."""

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.assign import assign_leftovers
from shifts_core.clustering.build_tree import build_in_place
from shifts_core.clustering.compact import NOISE, compact_clusters
from shifts_core.clustering.cores import in_batches
from shifts_core.clustering.counting import count_neighbours
from shifts_core.clustering.dbscan import classify
from shifts_core.clustering.describe import Clusters, describe_clusters
from shifts_core.clustering.ground import enforce_radius
from shifts_core.clustering.kd_tree import KDTree, SearchRadius, with_alive
from shifts_core.clustering.linked_members import list_members
from shifts_core.clustering.ordering import sort_trips
from shifts_core.clustering.parameters import (
    DEFAULT_EPS_M,
    DEFAULT_MAX_RADIUS_M,
    DEFAULT_MIN_TRIPS,
    DEFAULT_WINDOW_MINUTES,
    check_parameters,
)
from shifts_core.clustering.projection import find_centre, project
from shifts_core.clustering.refine import cluster_leftovers

_GROUND_SHARE = 0.995
"""Share of the radius that may be used on the sphere: over such distances sphere and ellipsoid differ by up to the
rest."""

_TIME_WEIGHT = 4
"""Weight of time when a node of the tree is split: many trips between the same two stations differ in time only, and
narrower time ranges count 300,000 of them in a third of the time."""

_BATCH_SIZE = 1 << 15


def find_clusters(
    od_coords: NDArray[np.float64],
    times_s: NDArray[np.float64],
    trip_ids: NDArray[np.int64] | None = None,
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
        trip_ids: shape (n,): decide between trips that are equal in everything else; without them, rows do.
        eps_m: DBSCAN's eps over origin and destination together, metres.
        min_trips: least number of neighbours of a core sample, itself included, and of trips in a cluster.
        max_radius_m: largest distance of a trip from its cluster's centroid at either end, metres.
        window_s: largest difference between two times of day in a cluster, seconds.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_parameters(eps_m, min_trips, max_radius_m, window_s)
    # For whole numbers numba would compile everything once more, for half a minute.
    eps_m, max_radius_m, window_s = float(eps_m), float(max_radius_m), float(window_s)
    points, rows = sort_trips(od_coords, times_s, trip_ids)
    if len(points) < min_trips:
        nothing = np.empty(0)
        no_labels = np.full(len(points), NOISE, np.int32)
        return describe_clusters(no_labels, np.empty((0, 4)), nothing, points[:, 4], rows)
    centre = find_centre(points[:, :4])
    _project_in_place(points, centre)
    labels, n_clusters = _label_points(
        points,
        _TIME_WEIGHT * max_radius_m / (window_s / 2),
        eps_m,
        min_trips,
        max_radius_m * _GROUND_SHARE,
        window_s,
    )
    del points  # Coordinates in degrees take their memory.
    od_coords, times_s = od_coords[rows], times_s[rows]
    centroids, radii_m = enforce_radius(
        labels, n_clusters, od_coords, centre[0], min_trips, max_radius_m * _GROUND_SHARE
    )
    return describe_clusters(labels, centroids, radii_m, times_s, rows)


def _project_in_place(points: NDArray[np.float64], centre: NDArray[np.float64]) -> None:
    def project_batch(start: int, stop: int) -> None:
        points[start:stop, :4] = project(points[start:stop, :4], centre)

    in_batches(project_batch, len(points), _BATCH_SIZE)


def _label_points(
    points: NDArray[np.float64],
    metres_per_second: float,
    eps_m: float,
    min_trips: int,
    radius_m: float,
    window_s: float,
) -> tuple[NDArray[np.int32], int]:
    """Return the cluster of each point, shape (n,), and the number of clusters. Reorders the points."""
    _, dense = classify(points, eps_m, window_s, min_trips)
    tree, rows = build_in_place(points, metres_per_second)
    labels = np.empty(len(points), np.int32)
    labels[rows], n_clusters = _label_tree(tree, dense[rows], min_trips, radius_m, window_s)
    return labels, n_clusters


def _label_tree(
    tree: KDTree, dense: NDArray[np.bool_], min_trips: int, radius_m: float, window_s: float
) -> tuple[NDArray[np.int32], int]:
    """Return the cluster of each trip of the tree, shape (n,), and the number of clusters."""
    radius = SearchRadius(radius_m, window_s / 2, False)
    unassigned = with_alive(tree, dense)
    labels, n_clusters = compact_clusters(
        unassigned, count_neighbours(unassigned, radius, dense), radius, min_trips
    )
    members = list_members(labels, n_clusters, min_trips)
    assign_leftovers(unassigned, members, n_clusters, radius_m, window_s)
    counts = count_neighbours(unassigned, radius, unassigned.alive)
    n_clusters = cluster_leftovers(
        unassigned, with_alive(tree, dense), members, n_clusters, counts, radius, min_trips
    )
    assign_leftovers(unassigned, members, n_clusters, radius_m, window_s)
    return members.labels, n_clusters
