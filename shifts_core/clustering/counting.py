"""Counts the neighbours of many trips at once: both trips and neighbours are taken from the tree node by node.

A. G. Gray, A. W. Moore, "'N-Body' problems in statistical learning", NIPS 2000. Two nodes whose trips are all within
the radius of each other, or none, are settled without a look at their trips.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.cores import FEW_TRIPS, for_each
from shifts_core.clustering.kd_tree import DAY_S, UPPER, KDTree, SearchRadius, count_in_nodes

_BLOCK_SIZE = 32
"""Trips of two nodes of at most this size are compared one by one."""
_PARALLEL_LEVELS = 9
_BUFFER_SIZE = 512
_OUTSIDE, _OVERLAPS, _INSIDE = 0, 1, 2
_TIME = 4


def count_neighbours(tree: KDTree, radius: SearchRadius, queried: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Count the trips alive within the radius around each queried trip, on all CPU cores; shape (n,).

    Args:
        tree: the trips; also those that are not alive can be queried.
        radius: search radius.
        queried: shape (n,); all other trips get 0.
    """
    trips = len(tree.points)
    counts = np.zeros(trips, np.int32)
    queried_count = count_in_nodes(tree, queried)
    first_block = tree.first_leaf
    while first_block > 1 and first_block * _BLOCK_SIZE > trips:
        first_block //= 2
    shifts: tuple[float, ...] = (0.0, DAY_S, -DAY_S)
    if 2 * radius.time_s >= DAY_S:
        # The radius covers the whole day; a second search across midnight would find trips twice.
        radius, shifts = SearchRadius(radius.distance_m, DAY_S, radius.joint), (0.0,)

    def count_below(node: int) -> None:
        for shift in shifts:
            _count_below(tree, radius, queried, queried_count, counts, first_block, shift, node)

    top = min(first_block, 1 << _PARALLEL_LEVELS) if trips > FEW_TRIPS else 1
    for_each(count_below, range(top, 2 * top))
    return counts


@numba.njit(cache=True, nogil=True)
def _count_below(  # type: ignore[no-untyped-def]
    tree, radius, queried, queried_count, counts, first_block, shift, top
):
    """Add the neighbours of the queried trips of a node to `counts`, with their times shifted by `shift` seconds."""
    if queried_count[top] == 0 or not _shift_matters(tree, radius, shift, top):
        return
    # Lists of nodes that overlap: the lists of a node's ancestors lie before its own.
    overlapping = np.empty(4 * first_block + 4, np.int32)
    overlapping[0] = 1
    begin, end, found = 0, 1, 0
    levels = 0
    while top >> (levels + 1):
        levels += 1
    for level in range(levels - 1, -1, -1):
        stop, found = _refine(tree, radius, top >> level, shift, overlapping, begin, end, found)
        begin, end = end, stop
    nodes, begins = np.empty(128, np.int64), np.empty(128, np.int64)
    ends, settled = np.empty(128, np.int64), np.empty(128, np.int64)
    nodes[0], begins[0], ends[0], settled[0] = top, begin, end, found
    buffer = np.empty((5, _BUFFER_SIZE))
    waiting = 1
    while waiting:
        waiting -= 1
        node, begin, end, found = nodes[waiting], begins[waiting], ends[waiting], settled[waiting]
        if begin == end:
            if found:
                for trip in range(tree.starts[node], tree.stops[node]):
                    if queried[trip]:
                        counts[trip] += found
        elif node >= first_block:
            _count_block(tree, radius, queried, counts, node, shift, overlapping, begin, end, found, buffer)
        else:
            place = end
            for child in (2 * node, 2 * node + 1):
                if queried_count[child] == 0:
                    continue
                stop, child_found = _refine(tree, radius, child, shift, overlapping, begin, end, found, place)
                nodes[waiting], begins[waiting], ends[waiting] = child, place, stop
                settled[waiting] = child_found
                waiting += 1
                place = stop


@numba.njit(cache=True, nogil=True)
def _shift_matters(tree, radius, shift, node):  # type: ignore[no-untyped-def]
    if shift > 0:
        return tree.bounds[node, _TIME] - radius.time_s < 0
    if shift < 0:
        return tree.bounds[node, UPPER + _TIME] + radius.time_s >= DAY_S
    return True


@numba.njit(cache=True, nogil=True)
def _refine(tree, radius, node, shift, overlapping, begin, end, found, place=-1):  # type: ignore[no-untyped-def]
    """Replace the listed nodes by their children that overlap the radius around a node, from `place` on.

    Returns the end of the new list, and `found` plus the trips of children that lie inside.
    """
    stop = end if place < 0 else place
    for at in range(begin, end):
        for child in (2 * overlapping[at], 2 * overlapping[at] + 1):
            if tree.alive_count[child] == 0:
                continue
            relation = _relation(tree, radius, node, shift, child)
            if relation == _INSIDE:
                found += tree.alive_count[child]
            elif relation == _OVERLAPS:
                overlapping[stop] = child
                stop += 1
    return stop, found


@numba.njit(cache=True, nogil=True)
def _relation(tree, radius, node, shift, other):  # type: ignore[no-untyped-def]
    """Return whether the trips of another node are outside or inside the radius of all trips of a node, or neither.

    The bounds are computed as distances of trips are, so that rounding does not matter.
    """
    low, high = tree.bounds[node, _TIME] + shift, tree.bounds[node, UPPER + _TIME] + shift
    below, above = tree.bounds[other, _TIME] - high, low - tree.bounds[other, UPPER + _TIME]
    if below > radius.time_s or above > radius.time_s:
        return _OUTSIDE
    inside = high - tree.bounds[other, _TIME] <= radius.time_s
    inside = inside and tree.bounds[other, UPPER + _TIME] - low <= radius.time_s
    limit = radius.distance_m * radius.distance_m
    nearest = farthest = 0.0
    for side in range(0, 4, 2):
        if not radius.joint:
            nearest = farthest = 0.0
        near, far = 0.0, 0.0
        for axis in (side, side + 1):
            below = tree.bounds[other, axis] - tree.bounds[node, UPPER + axis]
            above = tree.bounds[node, axis] - tree.bounds[other, UPPER + axis]
            gap = max(below, above, 0.0)
            near += gap * gap
            reach = max(
                tree.bounds[other, UPPER + axis] - tree.bounds[node, axis],
                tree.bounds[node, UPPER + axis] - tree.bounds[other, axis],
            )
            far += reach * reach
        nearest += near
        farthest += far
        if nearest > limit:
            return _OUTSIDE
        inside = inside and farthest <= limit
    return _INSIDE if inside else _OVERLAPS


@numba.njit(cache=True, nogil=True)
def _count_block(  # type: ignore[no-untyped-def]
    tree, radius, queried, counts, node, shift, overlapping, begin, end, found, buffer
):
    """Compare the queried trips of a block with those of the listed blocks that are near its bounds."""
    start, stop = tree.starts[node], tree.stops[node]
    for trip in range(start, stop):
        if queried[trip]:
            counts[trip] += found
    lower, upper = np.empty(5), np.empty(5)
    for side in range(5):
        reach = radius.time_s if side == _TIME else radius.distance_m
        moved = shift if side == _TIME else 0.0
        # Rounding must not exclude a trip at the limit.
        lower[side] = tree.bounds[node, side] + moved - reach - 1e-6
        upper[side] = tree.bounds[node, UPPER + side] + moved + reach + 1e-6
    size = 0
    for at in range(begin, end):
        other = overlapping[at]
        for trip in range(tree.starts[other], tree.stops[other]):
            near = tree.alive[trip]
            for side in range(5):
                near &= (tree.points[trip, side] >= lower[side]) & (tree.points[trip, side] <= upper[side])
            if near:
                for side in range(5):
                    buffer[side, size] = tree.points[trip, side]
                size += 1
                if size == buffer.shape[1]:
                    _compare(tree, radius, queried, counts, start, stop, shift, buffer, size)
                    size = 0
    _compare(tree, radius, queried, counts, start, stop, shift, buffer, size)


@numba.njit(cache=True, nogil=True)
def _compare(tree, radius, queried, counts, start, stop, shift, buffer, size):  # type: ignore[no-untyped-def]
    """Add the trips of the buffer within the radius to `counts`."""
    limit, time_s = radius.distance_m * radius.distance_m, radius.time_s
    xs, ys, us, vs, ts = buffer[0], buffer[1], buffer[2], buffer[3], buffer[4]
    for trip in range(start, stop):
        if not queried[trip]:
            continue
        x, y, u, v = tree.points[trip, 0], tree.points[trip, 1], tree.points[trip, 2], tree.points[trip, 3]
        t = tree.points[trip, _TIME] + shift
        found = 0
        if radius.joint:
            for at in range(size):
                origin = (xs[at] - x) ** 2 + (ys[at] - y) ** 2
                destination = (us[at] - u) ** 2 + (vs[at] - v) ** 2
                found += (origin + destination <= limit) & (abs(ts[at] - t) <= time_s)
        else:
            for at in range(size):
                origin = (xs[at] - x) ** 2 + (ys[at] - y) ** 2
                destination = (us[at] - u) ** 2 + (vs[at] - v) ** 2
                found += (origin <= limit) & (destination <= limit) & (abs(ts[at] - t) <= time_s)
        counts[trip] += found
