"""Maximum matchings in bipartite graphs, compiled.

J. Hopcroft and R. Karp, "An n^5/2 algorithm for maximum matchings in bipartite graphs", SIAM Journal on Computing,
1973: shortest augmenting paths, many at a time, from a greedy matching on. scipy's `maximum_bipartite_matching` is
the oracle in tests; it takes minutes for the graphs of a large fleet, which have millions of edges.
"""

import numba
import numpy as np
from numpy.typing import NDArray

NOBODY = -1


def maximum_matching(starts: NDArray[np.int64], partners: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the partner of each row, shape (n,), or NOBODY, so that as many rows as possible have one.

    Args:
        starts: shape (n + 1,): row i may have the columns `partners[starts[i]:starts[i + 1]]`.
        partners: columns from 0 to n - 1.
    """
    matched: NDArray[np.int64] = _match(starts, partners)
    return matched


@numba.njit(cache=True, nogil=True)
def _match(starts, partners):  # type: ignore[no-untyped-def]
    rows = len(starts) - 1
    column_of, row_of = np.full(rows, NOBODY), np.full(rows, NOBODY)
    for row in range(rows):
        for at in range(starts[row], starts[row + 1]):
            if row_of[partners[at]] == NOBODY:
                column_of[row], row_of[partners[at]] = partners[at], row
                break
    level, queue = np.empty(rows, np.int64), np.empty(rows, np.int64)
    path, tried = np.empty(rows, np.int64), np.empty(rows, np.int64)
    while _set_levels(starts, partners, column_of, row_of, level, queue):
        tried[:] = starts[:-1]
        for row in range(rows):
            if column_of[row] == NOBODY:
                _augment(starts, partners, column_of, row_of, level, row, path, tried)
    return column_of


@numba.njit(cache=True, nogil=True)
def _set_levels(starts, partners, column_of, row_of, level, queue):  # type: ignore[no-untyped-def]
    """Write each row's distance from the rows without a partner; return whether any path ends at a free column."""
    waiting, found = 0, False
    for row in range(len(level)):
        level[row] = NOBODY
        if column_of[row] == NOBODY:
            level[row] = 0
            queue[waiting] = row
            waiting += 1
    first, shortest = 0, len(level)
    while first < waiting and level[queue[first]] <= shortest:
        row = queue[first]
        first += 1
        for at in range(starts[row], starts[row + 1]):
            other = row_of[partners[at]]
            if other == NOBODY:
                found, shortest = True, level[row]
                break
            if level[other] == NOBODY:
                level[other] = level[row] + 1
                queue[waiting] = other
                waiting += 1
    return found


@numba.njit(cache=True, nogil=True)
def _augment(starts, partners, column_of, row_of, level, root, path, tried):  # type: ignore[no-untyped-def]
    """Search a path from a row through rising levels to a free column, and match along it (depth first)."""
    depth = 0
    path[0] = root
    while depth >= 0:
        row = path[depth]
        if tried[row] == starts[row + 1]:
            depth -= 1
            if depth >= 0:
                tried[path[depth]] += 1
            continue
        other = row_of[partners[tried[row]]]
        if other == NOBODY:
            for at in range(depth + 1):
                column = partners[tried[path[at]]]
                column_of[path[at]], row_of[column] = column, path[at]
            return
        if level[other] == level[row] + 1:
            depth += 1
            path[depth] = other
        else:
            tried[row] += 1
