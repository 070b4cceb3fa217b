"""Leftover trips that fit into no cluster: clustered with neighbours that other clusters can spare."""

import numba
import numpy as np

from shifts_core.clustering.compact import NOISE, mean_shift, squared_distance
from shifts_core.clustering.compactness import fits, is_compact
from shifts_core.clustering.kd_tree import STACK_SIZE, find_within, remove
from shifts_core.clustering.linked_members import join, leave, list_without

_MAX_BORROWED = 64
"""Nearest trips of other clusters that are tried; farther ones rarely complete a cluster, and each try costs a look
at its whole cluster."""


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
                remaining = list_without(members, cluster, trip, rest)
                if not is_compact(tree.points, rest, remaining, radius.distance_m, window_s):
                    continue
                leave(members, trip)
                moved[borrowed] = trip
                borrowed += 1
            sums[:] = more
            count += 1
        if count < min_trips or leftovers == 0:
            for at in range(borrowed):
                join(members, moved[at], members.labels[moved[at]])
            continue
        for at in range(count):
            if tree.alive[trips[at]]:
                remove(tree, trips[at])
            join(members, trips[at], n_clusters)
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
