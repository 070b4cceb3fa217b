"""Moves a shift's places and window to where they serve the most trips: a pattern search over nearby trips.

R. Hooke and T. A. Jeeves, "Direct search solution of numerical and statistical problems", 1961. Trips near the edge
of a place or a window count in part: a trip stands for trips like it in weeks to come, which start a little to one
side of it or the other. This is the kernel estimate of the trips to expect, and it keeps the search from fitting the
edges to the trips that happened to be there.
"""

from typing import NamedTuple

import numba
import numpy as np

DAY_MINUTES = 1440
MAX_ROUNDS = 8

_DIAGONAL = np.sqrt(0.5)
_DIRECTIONS = np.array(
    [
        [1.0, 0.0],
        [-1.0, 0.0],
        [0.0, 1.0],
        [0.0, -1.0],
        [_DIAGONAL, _DIAGONAL],
        [_DIAGONAL, -_DIAGONAL],
        [-_DIAGONAL, _DIAGONAL],
        [-_DIAGONAL, -_DIAGONAL],
    ]
)
_STEPS = np.array([0.4, 0.2, 0.1, 0.05])
"""Of the radius, and of the window."""
_WALKING = 0.02
"""How much less a trip counts at the edge of a place than in its middle: among places that serve as many trips, those
with shorter walks are better."""


class Reach(NamedTuple):
    """How far a shift reaches."""

    radius_m: float
    softness_m: float
    """Trips count in part from this far inside to this far outside the radius."""
    window_s: float
    softness_s: float


def reach_of(radius_m: float, window_minutes: int) -> Reach:
    """Return the reach with edges of a tenth of the radius and a twelfth of the window."""
    window_s = 60.0 * window_minutes
    return Reach(radius_m, radius_m / 10, window_s, window_s / 12)


@numba.njit(cache=True, nogil=True)
def _share(inside, softness):  # type: ignore[no-untyped-def]
    """Return the share of a trip that counts, by how far inside of an edge it is."""
    return min(max((inside + softness) / (2 * softness), 0.0), 1.0)


@numba.njit(cache=True, nogil=True)
def share_at(x, y, place_x, place_y, reach):  # type: ignore[no-untyped-def]
    """Return how much a trip counts for a place, from 0 to 1, by the distance of its end."""
    squared = (x - place_x) ** 2 + (y - place_y) ** 2
    if squared >= (reach.radius_m + reach.softness_m) ** 2:
        return 0.0
    walked = 1.0 - _WALKING * squared / reach.radius_m**2
    if squared <= (reach.radius_m - reach.softness_m) ** 2:
        return walked
    return walked * _share(reach.radius_m - np.sqrt(squared), reach.softness_m)


@numba.njit(cache=True, nogil=True)
def _share_in(time_s, start_s, reach):  # type: ignore[no-untyped-def]
    inside = min(time_s - start_s, start_s + reach.window_s - time_s)
    return _share(inside, reach.softness_s)


@numba.njit(cache=True, nogil=True)
def _total_at(near, count, x, y, reach):  # type: ignore[no-untyped-def]
    total = 0.0
    for at in range(count):
        total += near[at, 2] * share_at(near[at, 0], near[at, 1], x, y, reach)
    return total


@numba.njit(cache=True, nogil=True)
def _move_place(points, found, shift, end, reach, near, best):  # type: ignore[no-untyped-def]
    """Move one place of the shift; return what the shift counts then."""
    other, count = 2 - end, 0
    for trip in found:
        share = _share_in(points[trip, 4], shift[4], reach)
        if share > 0.0:
            share *= share_at(
                points[trip, other], points[trip, other + 1], shift[other], shift[other + 1], reach
            )
        if share > 0.0:
            near[count, 0], near[count, 1], near[count, 2] = points[trip, end], points[trip, end + 1], share
            count += 1
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            x, y = shift[end], shift[end + 1]
            for direction in _DIRECTIONS:
                to_x = x + direction[0] * step * reach.radius_m
                to_y = y + direction[1] * step * reach.radius_m
                total = _total_at(near, count, to_x, to_y, reach)
                if total > best + 1e-9:
                    best, moved = total, True
                    shift[end], shift[end + 1] = to_x, to_y
    return best


@numba.njit(cache=True, nogil=True)
def _move_window(points, found, shift, first_s, last_s, reach, near, best):  # type: ignore[no-untyped-def]
    """Move the window of the shift in whole minutes; return what the shift counts then."""
    count = 0
    for trip in found:
        share = share_at(points[trip, 0], points[trip, 1], shift[0], shift[1], reach)
        if share > 0.0:
            share *= share_at(points[trip, 2], points[trip, 3], shift[2], shift[3], reach)
        if share > 0.0:
            near[count, 0], near[count, 1] = points[trip, 4], share
            count += 1
    for step in _STEPS:
        step_s = 60.0 * max(np.rint(step * reach.window_s / 60), 1.0)
        moved = True
        while moved:
            moved = False
            for to_s in (shift[4] - step_s, shift[4] + step_s):
                if to_s < first_s or to_s > last_s:
                    continue
                total = 0.0
                for at in range(count):
                    total += near[at, 1] * _share_in(near[at, 0], to_s, reach)
                if total > best + 1e-9:
                    best, moved = total, True
                    shift[4] = to_s
    return best


@numba.njit(cache=True, nogil=True)
def climb(points, found, shift, first_s, last_s, reach, near):  # type: ignore[no-untyped-def]
    """Move places and window in turn while the shift counts more.

    Args:
        points: shape (n, 5): origin x, y, destination x, y in metres, time of day in seconds.
        found: trips near the shift.
        shift: shape (5,): pickup x, y, drop-off x, y, start of the window in seconds; changed in place.
        first_s: the window starts at this time or later, seconds.
        last_s: the window starts at this time or earlier, seconds.
        reach: how far a shift reaches.
        near: working space of at least the length of `found`, shape (m, 3).
    """
    best = 0.0
    for trip in found:
        share = _share_in(points[trip, 4], shift[4], reach)
        share *= share_at(points[trip, 0], points[trip, 1], shift[0], shift[1], reach)
        best += share * share_at(points[trip, 2], points[trip, 3], shift[2], shift[3], reach)
    for _ in range(MAX_ROUNDS):
        before = best
        best = _move_place(points, found, shift, 0, reach, near, best)
        best = _move_place(points, found, shift, 2, reach, near, best)
        best = _move_window(points, found, shift, first_s, last_s, reach, near, best)
        if best <= before:
            break
