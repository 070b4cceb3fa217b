"""Tests whether trips are compact: within the radius of their centroid, at both ends, and within the window.

Sums of the trips are kept, so that a test with one more trip reads the others only for their distances.
"""

import numba
import numpy as np

from shifts_core.clustering.compact import squared_distance, time_offset

_EARLIEST, _LATEST = 4, 5


@numba.njit(cache=True, nogil=True)
def sum_up(points, trips, count, sums):  # type: ignore[no-untyped-def]
    """Write the sums of `trips[:count]` to `sums` (6,): of the four coordinates, then the earliest and latest time.

    Times count from the first trip's, so that midnight does not matter.
    """
    sums[:] = 0.0
    for at in range(count):
        _add(points, trips, at, sums)


@numba.njit(cache=True, nogil=True)
def is_compact(points, trips, count, radius_m, window_s):  # type: ignore[no-untyped-def]
    """Return whether `trips[:count]` are compact."""
    sums = np.empty(6)
    sum_up(points, trips, count, sums)
    return _is_compact(points, trips, count, sums, radius_m, window_s)


@numba.njit(cache=True, nogil=True)
def fits(points, trips, count, sums, more, radius_m, window_s):  # type: ignore[no-untyped-def]
    """Return whether `trips[:count]`, whose sums are `sums`, are compact with `trips[count]`.

    Writes the sums with that trip to `more` (6,).
    """
    more[:] = sums
    _add(points, trips, count, more)
    return _is_compact(points, trips, count + 1, more, radius_m, window_s)


@numba.njit(cache=True, nogil=True)
def _add(points, trips, at, sums):  # type: ignore[no-untyped-def]
    point = points[trips[at]]
    for side in range(4):
        sums[side] += point[side]
    offset = time_offset(point[4], points[trips[0], 4])
    sums[_EARLIEST], sums[_LATEST] = min(sums[_EARLIEST], offset), max(sums[_LATEST], offset)


@numba.njit(cache=True, nogil=True)
def _is_compact(points, trips, count, sums, radius_m, window_s):  # type: ignore[no-untyped-def]
    if sums[_LATEST] - sums[_EARLIEST] > window_s:
        return False
    centroid = (sums[0] / count, sums[1] / count, sums[2] / count, sums[3] / count)
    # The trip that was added last is the one that is most often too far away.
    for at in range(count - 1, -1, -1):
        if squared_distance(points[trips[at]], centroid) > radius_m * radius_m:
            return False
    return True
