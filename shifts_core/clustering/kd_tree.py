"""A compiled k-d tree over trips in space and time of day: counts and lists the trips within a search radius.

J. L. Bentley, "Multidimensional binary search trees used for associative searching", Communications of the ACM,
1975. Each node knows its bounds and how many of its trips are alive, so a node that lies within the radius is
counted without a look at its trips.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
STACK_SIZE = 128
"""Nodes that can wait for a visit: two for each of at most 64 levels."""

_OUTSIDE, _OVERLAPS, _INSIDE = 0, 1, 2
_TIME = 4
UPPER = 5
"""Column of the first upper bound in `KDTree.bounds`."""


class KDTree(NamedTuple):
    """Trips, ordered so that each node holds consecutive ones.

    Nodes have numbers: the root is 1, the children of v are 2v and 2v + 1.
    """

    points: NDArray[np.float64]
    """(n, 5): origin x, y, destination x, y in metres, time of day in seconds."""
    starts: NDArray[np.int32]
    """(nodes,): index of the first trip of each node."""
    stops: NDArray[np.int32]
    """(nodes,): index after the last trip of each node."""
    bounds: NDArray[np.float32]
    """(nodes, 10): five lower bounds, then five upper bounds, rounded away from the node's trips. Half the size of
    exact ones, so that twice as many stay in the cache; trips are compared by their exact values."""
    first_leaf: int
    """Nodes with this number or a larger one are leaves."""
    alive: NDArray[np.bool_]
    """(n,): trips that searches can return."""
    alive_count: NDArray[np.int32]
    """(nodes,): how many trips of each node are alive."""
    leaf_of: NDArray[np.int32]
    """(n,): the leaf of each trip."""


class SearchRadius(NamedTuple):
    """Distances in space and time up to which a trip counts as a neighbour, limits included."""

    distance_m: float
    time_s: float
    joint: bool
    """True: Euclidean distance over origin and destination in four dimensions. False: each end on its own."""


def with_alive(tree: KDTree, alive: NDArray[np.bool_]) -> KDTree:
    """Return a view of the tree in which only the trips of the mask, shape (n,), are alive.

    The views share points and nodes; removing a trip from one does not change the other.
    """
    return tree._replace(alive=alive.copy(), alive_count=count_in_nodes(tree, alive))


@numba.njit(cache=True, nogil=True)
def count_in_nodes(tree, mask):  # type: ignore[no-untyped-def]
    """Return how many trips of the mask (n,) each node holds; shape (nodes,)."""
    counts = np.zeros(tree.starts.size, np.int32)
    for node in range(tree.starts.size - 1, 0, -1):
        if node < tree.first_leaf:
            counts[node] = counts[2 * node] + counts[2 * node + 1]
            continue
        for trip in range(tree.starts[node], tree.stops[node]):
            counts[node] += mask[trip]
    return counts


@numba.njit(cache=True, nogil=True)
def _relation(tree, node, point, radius):  # type: ignore[no-untyped-def]
    """Return whether a node lies outside the radius around a point, overlaps it, or lies inside."""
    if (
        tree.bounds[node, _TIME] > point[_TIME] + radius.time_s
        or tree.bounds[node, UPPER + _TIME] < point[_TIME] - radius.time_s
    ):
        return _OUTSIDE
    inside = tree.bounds[node, _TIME] >= point[_TIME] - radius.time_s
    inside = inside and tree.bounds[node, UPPER + _TIME] <= point[_TIME] + radius.time_s
    limit = radius.distance_m * radius.distance_m
    nearest = farthest = 0.0
    for side in range(4):
        if side == 2 and not radius.joint:
            nearest = farthest = 0.0
        below, above = tree.bounds[node, side] - point[side], point[side] - tree.bounds[node, UPPER + side]
        gap = max(below, above, 0.0)
        nearest += gap * gap
        if nearest > limit:
            return _OUTSIDE
        far = max(-below, -above)
        farthest += far * far
        if farthest > limit:
            inside = False
    return _INSIDE if inside else _OVERLAPS


@numba.njit(cache=True, nogil=True)
def _is_within(points, trip, point, radius):  # type: ignore[no-untyped-def]
    if abs(points[trip, _TIME] - point[_TIME]) > radius.time_s:
        return False
    origin = (points[trip, 0] - point[0]) ** 2 + (points[trip, 1] - point[1]) ** 2
    destination = (points[trip, 2] - point[2]) ** 2 + (points[trip, 3] - point[3]) ** 2
    limit = radius.distance_m * radius.distance_m
    if radius.joint:
        return origin + destination <= limit
    return origin <= limit and destination <= limit


@numba.njit(cache=True, nogil=True)
def _count_once(tree, point, radius, enough, stack):  # type: ignore[no-untyped-def]
    found, waiting = 0, 1
    stack[0] = 1
    while waiting and found < enough:
        waiting -= 1
        node = stack[waiting]
        if tree.alive_count[node] == 0:
            continue
        relation = _relation(tree, node, point, radius)
        if relation == _INSIDE:
            found += tree.alive_count[node]
        elif relation == _OVERLAPS and node >= tree.first_leaf:
            for trip in range(tree.starts[node], tree.stops[node]):
                if tree.alive[trip] and _is_within(tree.points, trip, point, radius):
                    found += 1
        elif relation == _OVERLAPS:
            stack[waiting], stack[waiting + 1] = 2 * node, 2 * node + 1
            waiting += 2
    return found


@numba.njit(cache=True, nogil=True)
def count_within(tree, point, radius, enough, stack):  # type: ignore[no-untyped-def]
    """Count the trips alive within the radius around a point, across midnight; stop at `enough`.

    `point` is (5,) with its time within the day; `stack` is working space of shape (STACK_SIZE,).
    """
    if 2 * radius.time_s >= DAY_S:
        # The radius covers the whole day; a second search across midnight would find trips twice.
        radius = SearchRadius(radius.distance_m, DAY_S, radius.joint)
        return _count_once(tree, point, radius, enough, stack)
    found = _count_once(tree, point, radius, enough, stack)
    time = point[_TIME]
    if time - radius.time_s < 0:
        point[_TIME] = time + DAY_S
        found += _count_once(tree, point, radius, enough - found, stack)
    if time + radius.time_s >= DAY_S:
        point[_TIME] = time - DAY_S
        found += _count_once(tree, point, radius, enough - found, stack)
    point[_TIME] = time
    return found


@numba.njit(cache=True, nogil=True)
def _find_once(tree, point, radius, stack, trips, found):  # type: ignore[no-untyped-def]
    waiting = 1
    stack[0] = 1
    while waiting:
        waiting -= 1
        node = stack[waiting]
        if tree.alive_count[node] == 0:
            continue
        relation = _relation(tree, node, point, radius)
        if relation == _INSIDE or (relation == _OVERLAPS and node >= tree.first_leaf):
            for trip in range(tree.starts[node], tree.stops[node]):
                if tree.alive[trip] and (relation == _INSIDE or _is_within(tree.points, trip, point, radius)):
                    trips[found] = trip
                    found += 1
        elif relation == _OVERLAPS:
            stack[waiting], stack[waiting + 1] = 2 * node, 2 * node + 1
            waiting += 2
    return found


@numba.njit(cache=True, nogil=True)
def find_within(tree, point, radius, stack, trips):  # type: ignore[no-untyped-def]
    """Write the trips that `count_within` counts to `trips` (n,) and return how many there are."""
    if 2 * radius.time_s >= DAY_S:
        # The radius covers the whole day; a second search across midnight would find trips twice.
        radius = SearchRadius(radius.distance_m, DAY_S, radius.joint)
        return _find_once(tree, point, radius, stack, trips, 0)
    found = _find_once(tree, point, radius, stack, trips, 0)
    time = point[_TIME]
    if time - radius.time_s < 0:
        point[_TIME] = time + DAY_S
        found = _find_once(tree, point, radius, stack, trips, found)
    if time + radius.time_s >= DAY_S:
        point[_TIME] = time - DAY_S
        found = _find_once(tree, point, radius, stack, trips, found)
    point[_TIME] = time
    return found


@numba.njit(cache=True, nogil=True)
def remove(tree, trip):  # type: ignore[no-untyped-def]
    """Remove a trip that is alive from all further searches."""
    tree.alive[trip] = False
    node = tree.leaf_of[trip]
    while node:
        tree.alive_count[node] -= 1
        node //= 2
