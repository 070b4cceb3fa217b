"""Clusters described: numbered by size, with centroid, radius and time window."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NOISE
from shifts_core.clustering.kd_tree import DAY_S
from shifts_core.clustering.projection import haversine_m, unwrap_longitudes


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
    labels: NDArray[np.int64], od_coords: NDArray[np.float64], times_s: NDArray[np.float64]
) -> Clusters:
    """Number clusters by size, equal sizes by their first trip, and describe them.

    Args:
        labels: shape (n,): any number per cluster, -1 for trips in no cluster.
        od_coords: shape (n, 4), degrees.
        times_s: shape (n,): time of day, seconds since midnight.
    """
    trips = np.flatnonzero(labels != NOISE)
    numbers, first, inverse, sizes = np.unique(
        labels[trips], return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(numbers), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(numbers))
    labels = np.full(len(labels), NOISE, np.int64)
    labels[trips] = rank[inverse]
    sizes = np.bincount(labels[trips], minlength=0)[: len(numbers)]
    centroids = compute_centroids(labels, od_coords)[: len(numbers)]
    distances = distances_to_centroids(labels, od_coords, centroids)
    radii = np.zeros(len(numbers))
    np.maximum.at(radii, labels[trips], distances[trips])
    centroids[:, ::2] = (centroids[:, ::2] + 180) % 360 - 180
    return Clusters(labels, sizes, centroids, radii, *_time_windows(labels, sizes, times_s))


def compute_centroids(labels: NDArray[np.int64], od_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean coordinates in degrees, shape (largest label + 1, 4); longitudes may go beyond ±180."""
    clustered = labels != NOISE
    sizes = np.bincount(labels[clustered], minlength=1)
    unwrapped = unwrap_longitudes(od_coords)[clustered]
    sums = [np.bincount(labels[clustered], unwrapped[:, side], len(sizes)) for side in range(4)]
    return np.column_stack(sums) / np.maximum(sizes, 1)[:, None]


def distances_to_centroids(
    labels: NDArray[np.int64], od_coords: NDArray[np.float64], centroids: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return metres from each trip to its cluster's centroid, the larger of both ends; shape (n,), 0 for noise."""
    distances = np.zeros(len(od_coords))
    clustered = labels != NOISE
    own, coords = centroids[labels[clustered]], od_coords[clustered]
    distances[clustered] = np.maximum(
        haversine_m(own[:, 0], own[:, 1], coords[:, 0], coords[:, 1]),
        haversine_m(own[:, 2], own[:, 3], coords[:, 2], coords[:, 3]),
    )
    return distances


def _time_windows(
    labels: NDArray[np.int64], sizes: NDArray[np.int64], times_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the earliest, median and latest time of day of each cluster; each (k,)."""
    trips = np.flatnonzero(labels != NOISE)
    by_cluster = trips[np.argsort(labels[trips], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    # Offsets from each cluster's first trip, so that midnight does not matter.
    base = times_s[by_cluster[starts]]
    offsets = times_s[by_cluster] - np.repeat(base, sizes)
    offsets = (offsets + DAY_S / 2) % DAY_S - DAY_S / 2
    ordered = offsets[np.lexsort((offsets, labels[by_cluster]))]
    earliest, latest = ordered[starts], ordered[starts + sizes - 1]
    median = (ordered[starts + (sizes - 1) // 2] + ordered[starts + sizes // 2]) / 2
    return (base + earliest) % DAY_S, (base + median) % DAY_S, (base + latest) % DAY_S
