"""Leftover trips: added to clusters they fit into, or clustered with neighbours that other clusters can spare."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NOISE, is_compact, mean_shift, squared_distance
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
    centroid = np.empty(5)
    for cluster in range(n_clusters):
        count = _list_without(members, cluster, -1, trips)
        if count == 0:
            continue
        is_compact(tree.points, trips, count, radius_m, window_s, centroid)
        candidates = find_within(tree, centroid, radius, stack, found)
        if candidates == 0:
            continue
        squares = np.empty(candidates)
        for at in range(candidates):
            squares[at] = squared_distance(tree.points[found[at]], centroid)
        for at in np.argsort(squares, kind="mergesort"):
            trips[count] = found[at]
            if is_compact(tree.points, trips, count + 1, radius_m, window_s, centroid):
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
    point, centroid = np.empty(5), np.empty(5)
    window_s = 2 * radius.time_s
    for seed in np.argsort(-counts, kind="mergesort"):
        if counts[seed] == 0:
            break
        if not tree.alive[seed]:
            continue
        point[:] = tree.points[seed]
        mean_shift(tree, radius, point, stack, found, centroid)
        neighbours = find_within(all_trips, point, radius, stack, found)
        if neighbours < min_trips:
            continue
        order = _by_preference(tree, members, found, neighbours, point, min_trips)
        count, leftovers, borrowed = 0, 0, 0
        for at in order:
            trip = found[at]
            if count >= min_trips and not tree.alive[trip]:
                break
            trips[count] = trip
            if not is_compact(tree.points, trips, count + 1, radius.distance_m, window_s, centroid):
                continue
            if tree.alive[trip]:
                leftovers += 1
            else:
                cluster = members.labels[trip]
                if members.sizes[cluster] <= min_trips:
                    continue
                remaining = _list_without(members, cluster, trip, rest)
                if not is_compact(tree.points, rest, remaining, radius.distance_m, window_s, centroid):
                    continue
                _leave(members, trip)
                moved[borrowed] = trip
                borrowed += 1
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
    """Return positions in `found`: leftovers by distance, then the nearest trips that their cluster can spare."""
    squares = np.empty(neighbours)
    beyond = 1.0
    for at in range(neighbours):
        squares[at] = squared_distance(tree.points[found[at]], point)
        beyond = max(beyond, 2 * squares[at])
    leftovers = 0
    for at in range(neighbours):
        if tree.alive[found[at]]:
            leftovers += 1
        elif members.labels[found[at]] != NOISE and members.sizes[members.labels[found[at]]] > min_trips:
            squares[at] += beyond
        else:
            squares[at] = np.inf
    order = np.argsort(squares, kind="mergesort")
    last = min(leftovers + _MAX_BORROWED, neighbours)
    while last > leftovers and squares[order[last - 1]] == np.inf:
        last -= 1
    return order[:last]
