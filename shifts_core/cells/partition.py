"""Divides trips into cells of at least k trips, as a pure function of their keys: their order does not matter."""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.cells.grid import DEPTH

WITHHELD = -1
"""The depth of trips that are in no cell."""
_SHORT_RUN = 32
"""Longer runs are not sorted by insertion."""


def cell_depths(keys: NDArray[np.uint64], min_count: int) -> NDArray[np.int64]:
    """The depth of the box of each trip's cell; a cell is all trips with the same box.

    The keys form a binary tree, whose nodes are boxes. A box of at least `min_count` trips and fewer than twice as
    many is a cell. In larger ones, each half keeps what it cannot put into cells, which is less than `min_count`; if
    both halves together keep enough, that is a cell with the box of both. What the whole tree keeps in the end is
    withheld.

    Args:
        keys: shape (2, n), of `keys_of`.
        min_count: k, at least 1.

    Returns:
        Shape (n,): depths, or `WITHHELD`.
    """
    first, second = keys
    order = np.argsort(first)
    _sort_runs(first, second, order)
    depths = np.empty(len(order), np.int64)
    _divide(first[order], second[order], order, min_count, depths)
    return depths


@numba.njit(cache=True, nogil=True)
def _sort_runs(first, second, order):  # type: ignore[no-untyped-def]
    """Sorts runs of equal first words by their second ones."""
    start = 0
    for place in range(1, len(order) + 1):
        if place < len(order) and first[order[place]] == first[order[start]]:
            continue
        if place - start > _SHORT_RUN:
            run = order[start:place].copy()
            order[start:place] = run[np.argsort(second[run])]
        else:
            for unsorted in range(start + 1, place):
                trip, to = order[unsorted], unsorted
                while to > start and second[order[to - 1]] > second[trip]:
                    order[to] = order[to - 1]
                    to -= 1
                order[to] = trip
        start = place


@numba.njit(cache=True, nogil=True)
def _divide(first, second, order, min_count, depths):  # type: ignore[no-untyped-def]
    """Visits the nodes of the tree, children before parents, along the sorted keys."""
    n = len(order)
    of_place, following = np.full(n, WITHHELD, np.int64), np.full(n, -1, np.int64)
    # Nodes on the path to the present trip: of each its depth, its first trip, and the list of trips that it keeps:
    # first and last place, and number. `following` has the next place in a list.
    node_depths, starts = np.empty(DEPTH + 2, np.int64), np.empty(DEPTH + 2, np.int64)
    kept = np.empty((DEPTH + 2, 3), np.int64)
    size = 0
    for place in range(n + 1):
        shared = np.int64(-1)
        if 0 < place < n:
            shared = _shared_bits(first[place - 1] ^ first[place], second[place - 1] ^ second[place])
        # Nodes that do not contain the trip at this place are complete.
        while size and node_depths[size - 1] > shared:
            size -= 1
            _close(node_depths[size], starts[size], place, min_count, kept[size], following, of_place)
            parent = shared if size == 0 else max(shared, node_depths[size - 1])
            if parent < 0:
                continue  # the root keeps the trips that are withheld
            if size and node_depths[size - 1] == parent:
                _append(kept[size - 1], kept[size], following)
            else:
                node_depths[size] = parent
                size += 1
        if place == n:
            break
        if size == 0 or node_depths[size - 1] < DEPTH:
            node_depths[size], starts[size] = DEPTH, place
            kept[size, 2] = 0
            size += 1
        kept[size, 0], kept[size, 1], kept[size, 2] = place, place, 1
        _append(kept[size - 1], kept[size], following)
    for place in range(n):
        depths[order[place]] = of_place[place]


@numba.njit(cache=True, nogil=True)
def _close(depth, start, stop, min_count, kept, following, of_place):  # type: ignore[no-untyped-def]
    """Makes a cell of a complete node, if it has or keeps the right number of trips."""
    trips = stop - start
    if min_count <= trips < 2 * min_count:
        # In place of cells of parts of it.
        of_place[start:stop] = depth
        kept[2] = 0
    elif kept[2] >= min_count:
        place = kept[0]
        while place >= 0:
            of_place[place] = depth
            place = following[place]
        kept[2] = 0


@numba.njit(cache=True, nogil=True)
def _append(kept, more, following):  # type: ignore[no-untyped-def]
    if more[2] == 0:
        return
    if kept[2] == 0:
        kept[:] = more
    else:
        following[kept[1]] = more[0]
        kept[1] = more[1]
        kept[2] += more[2]


@numba.njit(cache=True, nogil=True)
def _shared_bits(first, second):  # type: ignore[no-untyped-def]
    """The number of bits before the first difference of two keys, whose words were combined by exclusive or."""
    if first:
        return _leading_zeros(first)
    if second:
        return 64 + _leading_zeros(second)
    return np.int64(DEPTH)


@numba.njit(cache=True, nogil=True)
def _leading_zeros(word):  # type: ignore[no-untyped-def]
    zeros = np.int64(0)
    for step in (32, 16, 8, 4, 2, 1):
        if not word >> np.uint64(64 - step):
            zeros += step
            word <<= np.uint64(step)
    return zeros
