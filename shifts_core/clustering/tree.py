"""A k-d tree over trips in space and time of day, compiled: how many, and which, are near a place and time.

J. L. Bentley, "Multidimensional binary search trees used for associative searching" (1975). Each node knows its
bounds and how many of its trips are still there, so that a place with any number of trips is counted at once.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
LEAF_TRIPS = 8
STACK = 128
"""Nodes that can wait to be visited; two for each of at most 64 levels."""

_OUTSIDE, _CUT, _INSIDE = 0, 1, 2
_TIME = 4


class Tree(NamedTuple):
    """Trips, ordered so that each node holds consecutive ones; node 1 is the root, 2v and 2v + 1 are v's halves."""

    places: NDArray[np.float64]
    """(n, 5): origin x, y, destination x, y in metres, time of day in seconds."""
    begins: NDArray[np.int64]
    """(nodes,): first trip of a node."""
    ends: NDArray[np.int64]
    """(nodes,): behind its last trip."""
    low: NDArray[np.float64]
    """(nodes, 5)."""
    high: NDArray[np.float64]
    """(nodes, 5)."""
    first_leaf: int
    """Nodes from here on have no halves."""
    there: NDArray[np.bool_]
    """(n,): whether a trip is still to be found."""
    left: NDArray[np.int64]
    """(nodes,): how many of a node's trips are."""
    leaves: NDArray[np.int64]
    """(n,): the leaf of each trip."""


class Near(NamedTuple):
    """What is near: within `reach_m` and `reach_s`; jointly in the four dimensions, or at each end by itself."""

    reach_m: float
    reach_s: float
    jointly: bool


def grow(places: NDArray[np.float64], metres_a_second: float) -> tuple[Tree, NDArray[np.int64]]:
    """The tree over trips, all of them there, and the number in `places` of each of its trips.

    Args:
        places: shape (n, 5), see `Tree`.
        metres_a_second: how wide a second counts when a node is halved along its widest side.
    """
    order, begins, ends, low, high, first_leaf = _grow(places, np.array([1, 1, 1, 1, metres_a_second]))
    leaves = np.repeat(np.arange(first_leaf, len(begins)), (ends - begins)[first_leaf:])
    there = np.ones(len(places), np.bool_)
    tree = Tree(places[order], begins, ends, low, high, first_leaf, there, ends - begins, leaves)
    return tree, order


def only(tree: Tree, there: NDArray[np.bool_]) -> Tree:
    """The same tree where only some trips are there; its books are its own."""
    before = np.concatenate([[0], np.cumsum(there)])
    return tree._replace(there=there.copy(), left=before[tree.ends] - before[tree.begins])


@numba.njit(cache=True, nogil=True)
def _select(keys, order, low, high, nth):  # type: ignore[no-untyped-def]
    """Puts the nth smallest key of order[low:high + 1] at its place (Hoare's FIND)."""
    while low < high:
        pivot = keys[order[(low + high) // 2]]
        i, j = low, high
        while i <= j:
            while keys[order[i]] < pivot:
                i += 1
            while keys[order[j]] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if nth <= j:
            high = j
        elif nth >= i:
            low = i
        else:
            return


@numba.njit(cache=True, nogil=True)
def _grow(places, weights):  # type: ignore[no-untyped-def]
    trips, sides = places.shape
    first_leaf = 1
    while first_leaf * LEAF_TRIPS < trips:
        first_leaf *= 2
    nodes = 2 * first_leaf
    order, keys = np.arange(trips), np.empty(trips)
    begins, ends = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    low, high = np.full((nodes, sides), np.inf), np.full((nodes, sides), -np.inf)
    ends[1] = trips
    for node in range(1, nodes):
        begin, end = begins[node], ends[node]
        for at in range(begin, end):
            for side in range(sides):
                low[node, side] = min(low[node, side], places[order[at], side])
                high[node, side] = max(high[node, side], places[order[at], side])
        if node >= first_leaf:
            continue
        widest, width = 0, -1.0
        for side in range(sides):
            if (high[node, side] - low[node, side]) * weights[side] > width:
                widest, width = side, (high[node, side] - low[node, side]) * weights[side]
        half = (begin + end) // 2
        if end - begin > 1:
            for at in range(begin, end):
                keys[order[at]] = places[order[at], widest]
            _select(keys, order, begin, end - 1, half)
        begins[2 * node], ends[2 * node] = begin, half
        begins[2 * node + 1], ends[2 * node + 1] = half, end
    return order, begins, ends, low, high, first_leaf


@numba.njit(cache=True, nogil=True)
def _relation(tree, node, place, near):  # type: ignore[no-untyped-def]
    """Whether a node lies outside of what is near, is cut by its border, or lies inside."""
    if (
        tree.low[node, _TIME] > place[_TIME] + near.reach_s
        or tree.high[node, _TIME] < place[_TIME] - near.reach_s
    ):
        return _OUTSIDE
    inside = tree.low[node, _TIME] >= place[_TIME] - near.reach_s
    inside = inside and tree.high[node, _TIME] <= place[_TIME] + near.reach_s
    limit = near.reach_m * near.reach_m
    nearest = farthest = 0.0
    for side in range(4):
        if side == 2 and not near.jointly:
            nearest = farthest = 0.0
        below, above = tree.low[node, side] - place[side], place[side] - tree.high[node, side]
        gap = max(below, above, 0.0)
        nearest += gap * gap
        if nearest > limit:
            return _OUTSIDE
        far = max(-below, -above)
        farthest += far * far
        if farthest > limit:
            inside = False
    return _INSIDE if inside else _CUT


@numba.njit(cache=True, nogil=True)
def _is_near(places, trip, place, near):  # type: ignore[no-untyped-def]
    if abs(places[trip, _TIME] - place[_TIME]) > near.reach_s:
        return False
    origin = (places[trip, 0] - place[0]) ** 2 + (places[trip, 1] - place[1]) ** 2
    destination = (places[trip, 2] - place[2]) ** 2 + (places[trip, 3] - place[3]) ** 2
    limit = near.reach_m * near.reach_m
    if near.jointly:
        return origin + destination <= limit
    return origin <= limit and destination <= limit


@numba.njit(cache=True, nogil=True)
def _count_once(tree, place, near, enough, stack):  # type: ignore[no-untyped-def]
    found, waiting = 0, 1
    stack[0] = 1
    while waiting and found < enough:
        waiting -= 1
        node = stack[waiting]
        if tree.left[node] == 0:
            continue
        relation = _relation(tree, node, place, near)
        if relation == _INSIDE:
            found += tree.left[node]
        elif relation == _CUT and node >= tree.first_leaf:
            for trip in range(tree.begins[node], tree.ends[node]):
                if tree.there[trip] and _is_near(tree.places, trip, place, near):
                    found += 1
        elif relation == _CUT:
            stack[waiting], stack[waiting + 1] = 2 * node, 2 * node + 1
            waiting += 2
    return found


@numba.njit(cache=True, nogil=True)
def count_near(tree, place, near, enough, stack):  # type: ignore[no-untyped-def]
    """How many trips that are there are near a place and time, midnight wrapped; stops at `enough`.

    `place` is (5,), its time within the day; `stack` is (STACK,) of working space.
    """
    if 2 * near.reach_s >= DAY_S:
        # Every time of day is near; looking once more for those across midnight would find them twice.
        near = Near(near.reach_m, DAY_S, near.jointly)
        return _count_once(tree, place, near, enough, stack)
    found = _count_once(tree, place, near, enough, stack)
    time = place[_TIME]
    if time - near.reach_s < 0:
        place[_TIME] = time + DAY_S
        found += _count_once(tree, place, near, enough - found, stack)
    if time + near.reach_s >= DAY_S:
        place[_TIME] = time - DAY_S
        found += _count_once(tree, place, near, enough - found, stack)
    place[_TIME] = time
    return found


@numba.njit(cache=True, nogil=True)
def _find_once(tree, place, near, stack, trips, found):  # type: ignore[no-untyped-def]
    waiting = 1
    stack[0] = 1
    while waiting:
        waiting -= 1
        node = stack[waiting]
        if tree.left[node] == 0:
            continue
        relation = _relation(tree, node, place, near)
        if relation == _INSIDE or (relation == _CUT and node >= tree.first_leaf):
            for trip in range(tree.begins[node], tree.ends[node]):
                if tree.there[trip] and (relation == _INSIDE or _is_near(tree.places, trip, place, near)):
                    trips[found] = trip
                    found += 1
        elif relation == _CUT:
            stack[waiting], stack[waiting + 1] = 2 * node, 2 * node + 1
            waiting += 2
    return found


@numba.njit(cache=True, nogil=True)
def find_near(tree, place, near, stack, trips):  # type: ignore[no-untyped-def]
    """The same trips, put into `trips` (n,); returns how many."""
    if 2 * near.reach_s >= DAY_S:
        # Every time of day is near; looking once more for those across midnight would find them twice.
        near = Near(near.reach_m, DAY_S, near.jointly)
        return _find_once(tree, place, near, stack, trips, 0)
    found = _find_once(tree, place, near, stack, trips, 0)
    time = place[_TIME]
    if time - near.reach_s < 0:
        place[_TIME] = time + DAY_S
        found = _find_once(tree, place, near, stack, trips, found)
    if time + near.reach_s >= DAY_S:
        place[_TIME] = time - DAY_S
        found = _find_once(tree, place, near, stack, trips, found)
    place[_TIME] = time
    return found


@numba.njit(cache=True, nogil=True)
def take(tree, trip):  # type: ignore[no-untyped-def]
    """The trip is no longer there."""
    tree.there[trip] = False
    node = tree.leaves[trip]
    while node:
        tree.left[node] -= 1
        node //= 2
