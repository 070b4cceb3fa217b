"""Centroids and great-circle distances of clusters, and the guarantee that no trip is farther than the radius."""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NOISE
from shifts_core.clustering.cores import in_batches
from shifts_core.clustering.projection import haversine_m

_BATCH_SIZE = 1 << 15


def enforce_radius(
    labels: NDArray[np.int32],
    n_clusters: int,
    od_coords: NDArray[np.float64],
    centre_lon: float,
    min_trips: int,
    radius_m: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Drop trips that are within the radius in the plane only, and clusters that become too small; in place.

    Args:
        labels: shape (n,): 0 to `n_clusters` - 1, or -1.
        n_clusters: number of clusters, the empty ones included.
        od_coords: shape (n, 4), degrees.
        centre_lon: longitude around which longitudes are averaged, so that the antimeridian does not matter.
        min_trips: least number of trips in a cluster.
        radius_m: largest great-circle distance of a trip from its cluster's centroid at either end.

    Returns:
        Centroids in degrees, shape (n_clusters, 4); longitudes may go beyond ±180. The distance of the farthest trip
        of each cluster from its centroid, the larger of both ends, shape (n_clusters,).
    """
    distances = np.zeros(len(labels))
    changed = np.ones(n_clusters, np.bool_)
    while True:
        centroids, sizes = _centroids(labels, n_clusters, od_coords, centre_lon)
        _measure(labels, changed, od_coords, centroids, distances)
        changed[:] = False
        if not _drop(labels, sizes, distances, min_trips, radius_m, changed):
            return centroids, _farthest(labels, n_clusters, distances)


@numba.njit(cache=True, nogil=True)
def _centroids(labels, n_clusters, od_coords, centre_lon):  # type: ignore[no-untyped-def]
    sums, sizes = np.zeros((n_clusters, 4)), np.zeros(n_clusters, np.int64)
    for trip in range(labels.size):
        cluster = labels[trip]
        if cluster == NOISE:
            continue
        sizes[cluster] += 1
        for side in range(0, 4, 2):
            sums[cluster, side] += centre_lon + (od_coords[trip, side] - centre_lon + 180.0) % 360.0 - 180.0
            sums[cluster, side + 1] += od_coords[trip, side + 1]
    for cluster in range(n_clusters):
        for side in range(4):
            sums[cluster, side] /= max(sizes[cluster], 1)
    return sums, sizes


def _measure(
    labels: NDArray[np.int32],
    changed: NDArray[np.bool_],
    od_coords: NDArray[np.float64],
    centroids: NDArray[np.float64],
    distances: NDArray[np.float64],
) -> None:
    """Write the distances of the trips of changed clusters from their centroids."""

    def measure(start: int, stop: int) -> None:
        trips = _trips_of(labels, changed, start, stop)
        own, coords = centroids[labels[trips]], od_coords[trips]
        distances[trips] = np.maximum(
            haversine_m(own[:, 0], own[:, 1], coords[:, 0], coords[:, 1]),
            haversine_m(own[:, 2], own[:, 3], coords[:, 2], coords[:, 3]),
        )

    in_batches(measure, len(labels), _BATCH_SIZE)


@numba.njit(cache=True, nogil=True)
def _trips_of(labels, wanted, start, stop):  # type: ignore[no-untyped-def]
    """Return the trips from `start` to `stop` whose cluster is in the mask (n_clusters,)."""
    trips, size = np.empty(stop - start, np.int64), 0
    for trip in range(start, stop):
        if labels[trip] != NOISE and wanted[labels[trip]]:
            trips[size] = trip
            size += 1
    return trips[:size]


@numba.njit(cache=True, nogil=True)
def _drop(labels, sizes, distances, min_trips, radius_m, changed):  # type: ignore[no-untyped-def]
    """Drop far trips and small clusters, and mark the changed clusters; return whether there are any."""
    dropped = False
    for trip in range(labels.size):
        cluster = labels[trip]
        if cluster != NOISE and (distances[trip] > radius_m or sizes[cluster] < min_trips):
            labels[trip] = NOISE
            changed[cluster] = dropped = True
    return dropped


@numba.njit(cache=True, nogil=True)
def _farthest(labels, n_clusters, distances):  # type: ignore[no-untyped-def]
    farthest = np.zeros(n_clusters)
    for trip in range(labels.size):
        if labels[trip] != NOISE:
            farthest[labels[trip]] = max(farthest[labels[trip]], distances[trip])
    return farthest
