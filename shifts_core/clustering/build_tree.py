"""Builds the k-d tree: trips are moved in place until each node's trips are consecutive, on all CPU cores."""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.cores import FEW_TRIPS, for_each
from shifts_core.clustering.kd_tree import STACK_SIZE, UPPER, KDTree

LEAF_SIZE = 8
_ROUNDING = 2.0**-23
"""More than rounding to single precision changes a number, relative to it."""
_PARALLEL_LEVELS = 5
"""Nodes of these levels are split one per task; below each of the last, a task builds the rest."""


def build_in_place(points: NDArray[np.float64], metres_per_second: float) -> tuple[KDTree, NDArray[np.int32]]:
    """Build a tree over trips that are all alive, in the memory of `points`.

    Args:
        points: shape (n, 5), see `KDTree.points`; they are reordered.
        metres_per_second: weight of a second against a metre when a node is split along its widest side.

    Returns:
        The tree, and for each of its trips the row that it had in `points`, shape (n,).
    """
    trips = len(points)
    first_leaf = 1
    while first_leaf * LEAF_SIZE < trips:
        first_leaf *= 2
    rows = np.arange(trips, dtype=np.int32)
    starts, stops = np.zeros(2 * first_leaf, np.int32), np.zeros(2 * first_leaf, np.int32)
    bounds = np.zeros((2 * first_leaf, 2 * UPPER), np.float32)
    stops[1] = trips
    weights = np.array([1, 1, 1, 1, metres_per_second])

    def split(node: int) -> None:
        _split(points, rows, weights, starts, stops, bounds, first_leaf, node)

    def build_below(node: int) -> None:
        _build_below(points, rows, weights, starts, stops, bounds, first_leaf, node)

    top = min(first_leaf, 1 << _PARALLEL_LEVELS) if trips > FEW_TRIPS else 1
    level = 1
    while level < top:
        for_each(split, range(level, 2 * level))
        level *= 2
    for_each(build_below, range(top, 2 * top))
    leaf_of = np.repeat(np.arange(first_leaf, 2 * first_leaf, dtype=np.int32), (stops - starts)[first_leaf:])
    alive = np.ones(trips, np.bool_)
    return KDTree(points, starts, stops, bounds, first_leaf, alive, stops - starts, leaf_of), rows


@numba.njit(cache=True, nogil=True)
def _build_below(points, rows, weights, starts, stops, bounds, first_leaf, top):  # type: ignore[no-untyped-def]
    stack = np.empty(STACK_SIZE, np.int64)
    stack[0], waiting = top, 1
    while waiting:
        waiting -= 1
        node = stack[waiting]
        _split(points, rows, weights, starts, stops, bounds, first_leaf, node)
        if node < first_leaf:
            stack[waiting], stack[waiting + 1] = 2 * node, 2 * node + 1
            waiting += 2


@numba.njit(cache=True, nogil=True)
def _split(points, rows, weights, starts, stops, bounds, first_leaf, node):  # type: ignore[no-untyped-def]
    """Write a node's bounds, and put its trips below the median of its widest side before the others."""
    start, stop = starts[node], stops[node]
    low_x, low_y, low_u, low_v, low_t = np.inf, np.inf, np.inf, np.inf, np.inf
    high_x, high_y, high_u, high_v, high_t = -np.inf, -np.inf, -np.inf, -np.inf, -np.inf
    for trip in range(start, stop):
        x, y, u, v, t = points[trip, 0], points[trip, 1], points[trip, 2], points[trip, 3], points[trip, 4]
        low_x, low_y, low_u, low_v, low_t = (
            min(low_x, x),
            min(low_y, y),
            min(low_u, u),
            min(low_v, v),
            min(low_t, t),
        )
        high_x, high_y, high_u, high_v, high_t = (
            max(high_x, x),
            max(high_y, y),
            max(high_u, u),
            max(high_v, v),
            max(high_t, t),
        )
    lower, upper = (low_x, low_y, low_u, low_v, low_t), (high_x, high_y, high_u, high_v, high_t)
    for side in range(5 if start < stop else 0):
        bounds[node, side] = lower[side] - abs(lower[side]) * _ROUNDING
        bounds[node, UPPER + side] = upper[side] + abs(upper[side]) * _ROUNDING
    if node >= first_leaf:
        return
    widest, width = 0, -1.0
    for side in range(5):
        if (upper[side] - lower[side]) * weights[side] > width:
            widest, width = side, (upper[side] - lower[side]) * weights[side]
    half = (start + stop) // 2
    if stop - start > 1:
        _select(points, rows, widest, start, stop - 1, half)
    starts[2 * node], stops[2 * node] = start, half
    starts[2 * node + 1], stops[2 * node + 1] = half, stop


@numba.njit(cache=True, nogil=True)
def _select(points, rows, side, low, high, nth):  # type: ignore[no-untyped-def]
    """Move the trip with the nth smallest value of points[low:high + 1, side] to its place (Hoare's FIND)."""
    while low < high:
        pivot = points[(low + high) // 2, side]
        i, j = low, high
        while i <= j:
            while points[i, side] < pivot:
                i += 1
            while points[j, side] > pivot:
                j -= 1
            if i <= j:
                for column in range(5):
                    points[i, column], points[j, column] = points[j, column], points[i, column]
                rows[i], rows[j] = rows[j], rows[i]
                i += 1
                j -= 1
        if nth <= j:
            high = j
        elif nth >= i:
            low = i
        else:
            return
