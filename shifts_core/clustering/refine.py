"""Leftover trips: added to clusters they fit into, or clustered with neighbours that other clusters can spare."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NOISE, mean_shift, squared_distance, write_centroid
from shifts_core.clustering.compactness import fits, is_compact, sum_up
from shifts_core.clustering.kd_tree import STACK_SIZE, find_within, remove

_MAX_BORROWED = 64
"""Nearest trips of other clusters that are tried; farther ones rarely complete a cluster, and each try costs a look
at its whole cluster."""


class Members(NamedTuple):
    """The trips of each cluster as linked lists, so that moving a trip costs no more than its cluster's size."""

    labels: NDArray[np.int32]
    """(n,): cluster of each trip, or `NOISE`."""
    first: NDArray[np.int32]
    """(possible clusters,): first trip, or -1."""
    following: NDArray[np.int32]
    """(n,): the next trip of the same cluster, or -1."""
    sizes: NDArray[np.int32]
    """(possible clusters,)."""


@numba.njit(cache=True, nogil=True)
def list_members(labels, n_clusters, min_trips):  # type: ignore[no-untyped-def]
    """Build the lists, with room for all clusters that can still be formed."""
    trips = labels.size
    capacity = n_clusters + trips // min_trips + 1
    members = Members(
        labels.copy(),
        np.full(capacity, -1, np.int32),
        np.full(trips, -1, np.int32),
        np.zeros(capacity, np.int32),
    )
    for trip in range(trips):
        if labels[trip] != NOISE:
            _join(members, trip, labels[trip])
    return members


@numba.njit(cache=True, nogil=True)
def _join(members, trip, cluster):  # type: ignore[no-untyped-def]
    members.labels[trip] = cluster
    members.following[trip] = members.first[cluster]
    members.first[cluster] = trip
    members.sizes[cluster] += 1


@numba.njit(cache=True, nogil=True)
def _leave(members, trip):  # type: ignore[no-untyped-def]
    cluster = members.labels[trip]
    members.sizes[cluster] -= 1
    if members.first[cluster] == trip:
        members.first[cluster] = members.following[trip]
        return
    before = members.first[cluster]
    while members.following[before] != trip:
        before = members.following[before]
    members.following[before] = members.following[trip]


@numba.njit(cache=True, nogil=True)
def _list_without(members, cluster, excluded, trips):  # type: ignore[no-untyped-def]
    """Write a cluster's trips except one (-1: all) to `trips`; return how many."""
    count = 0
    trip = members.first[cluster]
    while trip >= 0:
        if trip != excluded:
            trips[count] = trip
            count += 1
        trip = members.following[trip]
    return count


@numba.njit(cache=True, nogil=True)
def assign_leftovers(tree, members, n_clusters, radius_m, window_s, radius):  # type: ignore[no-untyped-def]
    """Add trips of the tree to clusters, nearest first, while the cluster stays compact; remove them from the tree.

    `radius` is the largest distance of a candidate from the centroid and from the middle of the time span.
    """
    size = tree.points.shape[0]
    stack, found, trips = (
        np.empty(STACK_SIZE, np.int64),
        np.empty(size, np.int64),
        np.empty(size + 1, np.int64),
    )
    centroid, sums, more = np.empty(5), np.empty(6), np.empty(6)
    for cluster in range(n_clusters):
        count = _list_without(members, cluster, -1, trips)
        if count == 0:
            continue
        write_centroid(tree.points, trips, count, centroid)
        candidates = find_within(tree, centroid, radius, stack, found)
        if candidates == 0:
            continue
        sum_up(tree.points, trips, count, sums)
        squares = np.empty(candidates)
        for at in range(candidates):
            squares[at] = squared_distance(tree.points[found[at]], centroid)
        for at in np.argsort(squares, kind="mergesort"):
            trips[count] = found[at]
            if fits(tree.points, trips, count, sums, more, radius_m, window_s):
                sums[:] = more
                count += 1
                _join(members, found[at], cluster)
                remove(tree, found[at])


@numba.njit(cache=True, nogil=True)
def cluster_leftovers(tree, all_trips, members, n_clusters, counts, radius, min_trips):  # type: ignore[no-untyped-def]
    """Form clusters of trips of the tree and of neighbours whose own cluster stays compact and large enough.

    `all_trips` is the tree with the trips of clusters alive, too; `counts` (n,) is how many trips of `tree` are
    within the radius of each. Returns the new number of clusters.
    """
    size = tree.points.shape[0]
    stack, found = np.empty(STACK_SIZE, np.int64), np.empty(size, np.int64)
    trips, rest, moved = np.empty(size + 1, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    point, mean, sums, more = np.empty(5), np.empty(5), np.empty(6), np.empty(6)
    window_s = 2 * radius.time_s
    seeds = np.flatnonzero(counts)
    for seed in seeds[np.argsort(-counts[seeds], kind="mergesort")]:
        if not tree.alive[seed]:
            continue
        point[:] = tree.points[seed]
        mean_shift(tree, radius, point, stack, found, mean)
        neighbours = find_within(all_trips, point, radius, stack, found)
        if neighbours < min_trips:
            continue
        count, leftovers, borrowed = 0, 0, 0
        sums[:] = 0.0
        for trip in _by_preference(tree, members, found, neighbours, point, min_trips):
            if count >= min_trips and not tree.alive[trip]:
                break
            cluster = members.labels[trip]
            if not tree.alive[trip] and members.sizes[cluster] <= min_trips:
                continue
            trips[count] = trip
            if not fits(tree.points, trips, count, sums, more, radius.distance_m, window_s):
                continue
            if tree.alive[trip]:
                leftovers += 1
            else:
                remaining = _list_without(members, cluster, trip, rest)
                if not is_compact(tree.points, rest, remaining, radius.distance_m, window_s):
                    continue
                _leave(members, trip)
                moved[borrowed] = trip
                borrowed += 1
            sums[:] = more
            count += 1
        if count < min_trips or leftovers == 0:
            for at in range(borrowed):
                _join(members, moved[at], members.labels[moved[at]])
            continue
        for at in range(count):
            if tree.alive[trips[at]]:
                remove(tree, trips[at])
            _join(members, trips[at], n_clusters)
        n_clusters += 1
    return n_clusters


@numba.njit(cache=True, nogil=True)
def _by_preference(tree, members, found, neighbours, point, min_trips):  # type: ignore[no-untyped-def]
    """Return trips of `found`: leftovers by distance, then the nearest trips that their cluster can spare."""
    left, spare = np.empty(neighbours, np.int64), np.empty(neighbours, np.int64)
    leftovers, spares = 0, 0
    for trip in found[:neighbours]:
        if tree.alive[trip]:
            left[leftovers] = trip
            leftovers += 1
        elif members.labels[trip] != NOISE and members.sizes[members.labels[trip]] > min_trips:
            spare[spares] = trip
            spares += 1
    nearest = _nearest_first(tree.points, spare[:spares], point)[:_MAX_BORROWED]
    return np.append(_nearest_first(tree.points, left[:leftovers], point), nearest)


@numba.njit(cache=True, nogil=True)
def _nearest_first(points, trips, point):  # type: ignore[no-untyped-def]
    squares = np.empty(trips.size)
    for at in range(trips.size):
        squares[at] = squared_distance(points[trips[at]], point)
    return trips[np.argsort(squares, kind="mergesort")]
