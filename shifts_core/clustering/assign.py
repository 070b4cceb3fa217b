"""Leftover trips: added to clusters they fit into, the choices of all clusters made on all CPU cores.

Each cluster chooses among the leftovers as they are before any cluster has taken one. In the order of the clusters, a
choice stands if none of its trips has been taken, which is what the cluster would have chosen then; else it is made
again. So the result is that of one cluster after the other.
"""

import numba
import numpy as np

from shifts_core.clustering.compact import squared_distance, write_centroid
from shifts_core.clustering.compactness import fits, sum_up
from shifts_core.clustering.cores import in_batches
from shifts_core.clustering.kd_tree import STACK_SIZE, KDTree, SearchRadius, find_within, remove
from shifts_core.clustering.linked_members import Members, join, list_without

_BATCH_SIZE = 1 << 10


def assign_leftovers(
    tree: KDTree, members: Members, n_clusters: int, radius_m: float, window_s: float
) -> None:
    """Add trips of the tree to clusters, nearest first, while these stay compact; remove them from the tree."""
    # No trip of a compact cluster is farther from the middle of the time span of its other trips.
    radius = SearchRadius(radius_m, window_s, False)
    choices = {}

    def choose_batch(start: int, stop: int) -> None:
        choices[start] = _choose_batch(tree, members, radius, start, stop)

    in_batches(choose_batch, n_clusters, _BATCH_SIZE)
    for start in range(0, n_clusters, _BATCH_SIZE):
        _take_batch(tree, members, radius, start, *choices[start])


@numba.njit(cache=True, nogil=True)
def _choose_batch(tree, members, radius, start, stop):  # type: ignore[no-untyped-def]
    """Return the trips that clusters choose, one cluster after the other, and how many each one chooses."""
    sizes, total = np.zeros(stop - start, np.int64), 0
    chosen = np.empty(64, np.int64)
    trips = np.empty(members.sizes[start:stop].max() + tree.alive_count[1] + 1, np.int64)
    found = np.empty(tree.alive_count[1], np.int64)
    for cluster in range(start, stop):
        own, count = _choose(tree, members, radius, cluster, found, trips)
        sizes[cluster - start] = count - own
        while total + count - own > chosen.size:
            chosen = np.append(chosen, np.empty(chosen.size, np.int64))
        chosen[total : total + count - own] = trips[own:count]
        total += count - own
    return chosen[:total].copy(), sizes


@numba.njit(cache=True, nogil=True)
def _choose(tree, members, radius, cluster, found, trips):  # type: ignore[no-untyped-def]
    """Write a cluster's trips to `trips`, then those that it chooses; return the number of the former and of all."""
    stack, centroid, sums, more = np.empty(STACK_SIZE, np.int64), np.empty(5), np.empty(6), np.empty(6)
    own = list_without(members, cluster, -1, trips)
    if own == 0:
        return 0, 0
    write_centroid(tree.points, trips, own, centroid)
    candidates = find_within(tree, centroid, radius, stack, found)
    if candidates == 0:
        return own, own
    sum_up(tree.points, trips, own, sums)
    squares = np.empty(candidates)
    for at in range(candidates):
        squares[at] = squared_distance(tree.points[found[at]], centroid)
    count = own
    for at in np.argsort(squares, kind="mergesort"):
        trips[count] = found[at]
        if fits(tree.points, trips, count, sums, more, radius.distance_m, radius.time_s):
            sums[:] = more
            count += 1
    return own, count


@numba.njit(cache=True, nogil=True)
def _take_batch(tree, members, radius, start, chosen, sizes):  # type: ignore[no-untyped-def]
    """Add the chosen trips to their clusters; choose again where another cluster has taken one of them."""
    first = 0
    for at in range(sizes.size):
        taken = chosen[first : first + sizes[at]]
        first += sizes[at]
        for trip in taken:
            if not tree.alive[trip]:
                found = np.empty(tree.alive_count[1], np.int64)
                trips = np.empty(members.sizes[start + at] + tree.alive_count[1] + 1, np.int64)
                own, count = _choose(tree, members, radius, start + at, found, trips)
                taken = trips[own:count]
                break
        for trip in taken:
            join(members, trip, start + at)
            remove(tree, trip)
