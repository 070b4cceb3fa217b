"""Clusters described: numbered by size, with centroid, radius and time window."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NOISE
from shifts_core.clustering.cores import in_batches
from shifts_core.clustering.kd_tree import DAY_S

_BATCH_SIZE = 1 << 10


@dataclass(frozen=True)
class Clusters:
    """Labels of n trips and a description of k clusters, largest first."""

    labels: NDArray[np.int64]
    """Shape (n,): cluster of each trip, -1 for trips in no cluster."""
    sizes: NDArray[np.int64]
    """Shape (k,): number of trips."""
    centroids: NDArray[np.float64]
    """Shape (k, 4): origin longitude and latitude, destination longitude and latitude; degrees."""
    radii_m: NDArray[np.float64]
    """Shape (k,): great-circle distance of the farthest trip from the centroid, the larger of both ends."""
    earliest_s: NDArray[np.float64]
    """Shape (k,): time of day at which the window starts, seconds since midnight."""
    typical_s: NDArray[np.float64]
    """Shape (k,): median time of day."""
    latest_s: NDArray[np.float64]
    """Shape (k,): time of day at which the window ends; less than `earliest_s` for windows across midnight."""


def describe_clusters(
    labels: NDArray[np.int32],
    centroids: NDArray[np.float64],
    radii_m: NDArray[np.float64],
    times_s: NDArray[np.float64],
    rows: NDArray[np.int32],
) -> Clusters:
    """Number clusters by size, equal sizes by their first trip, and describe them.

    Args:
        labels: shape (n,): 0 to m - 1, -1 for trips in no cluster; a number may have no trips.
        centroids: shape (m, 4), degrees; longitudes may go beyond ±180.
        radii_m: shape (m,): distance of the farthest trip.
        times_s: shape (n,): time of day, seconds since midnight.
        rows: shape (n,): where the result has the label of each trip.
    """
    grouped, bounds = group_by_label(labels, len(radii_m))
    all_sizes = np.diff(bounds)
    numbers = np.flatnonzero(all_sizes)
    first = grouped[bounds[numbers]]
    numbers = numbers[np.lexsort((first, -all_sizes[numbers]))]
    rank = np.full(len(radii_m) + 1, NOISE, np.int64)
    rank[numbers] = np.arange(len(numbers))
    ordered_labels = np.empty(len(labels), np.int64)
    ordered_labels[rows] = rank[labels]
    centroids = centroids[numbers]
    centroids[:, ::2] = (centroids[:, ::2] + 180) % 360 - 180
    windows = np.empty((len(numbers), 3))
    in_batches(
        lambda start, stop: _write_windows(grouped, bounds, numbers, times_s, windows, start, stop),
        len(numbers),
        _BATCH_SIZE,
    )
    return Clusters(ordered_labels, all_sizes[numbers], centroids, radii_m[numbers], *windows.T.copy())


@numba.njit(cache=True, nogil=True)
def group_by_label(labels, n_labels):  # type: ignore[no-untyped-def]
    """Return the trips with labels >= 0 grouped by rising label, in their order, and the bounds of the groups."""
    bounds = np.zeros(n_labels + 1, np.int64)
    for label in labels:
        if label >= 0:
            bounds[label + 1] += 1
    for label in range(n_labels):
        bounds[label + 1] += bounds[label]
    places = bounds.copy()
    grouped = np.empty(bounds[n_labels], np.int32)
    for trip in range(labels.size):
        if labels[trip] >= 0:
            grouped[places[labels[trip]]] = trip
            places[labels[trip]] += 1
    return grouped, bounds


@numba.njit(cache=True, nogil=True)
def _write_windows(grouped, bounds, numbers, times_s, windows, start, stop):  # type: ignore[no-untyped-def]
    """Write the earliest, median and latest time of day of clusters to `windows` (k, 3)."""
    for cluster in range(start, stop):
        trips = grouped[bounds[numbers[cluster]] : bounds[numbers[cluster] + 1]]
        # Offsets from the cluster's first trip, so that midnight does not matter.
        base = times_s[trips[0]]
        offsets = np.empty(trips.size)
        for at in range(trips.size):
            offsets[at] = (times_s[trips[at]] - base + DAY_S / 2) % DAY_S - DAY_S / 2
        offsets.sort()
        median = (offsets[(trips.size - 1) // 2] + offsets[trips.size // 2]) / 2
        windows[cluster, 0] = (base + offsets[0]) % DAY_S
        windows[cluster, 1] = (base + median) % DAY_S
        windows[cluster, 2] = (base + offsets[trips.size - 1]) % DAY_S
