"""Candidate shifts: places and windows that serve many trips of the pooled weeks, the densest first.

The trip with the most neighbours is the seed; `climb` moves it to where it serves the most trips, and each place on
to a point nearby where a trip of that kind began or ended, so that people can stand there. The trips served are
removed, and the next densest trip follows. Lazy evaluation finds it exactly, because counts of neighbours only fall.
"""

import heapq
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.dbscan import count_neighbours
from shifts_core.clustering.kd_tree import STACK_SIZE, SearchRadius, build, count_within, find_within, remove
from shifts_core.shifts.climb import DAY_MINUTES, Reach, climb

_TIME_WEIGHT = 4
"""Weight of time when a node of the tree is split, as for clusters."""
_SEARCH_SHARE = 0.8
"""Trips up to this much of the radius, and of the window, beyond a seed's reach may be served after its climb."""


class Candidates(NamedTuple):
    """k places and windows."""

    pickups: NDArray[np.int64]
    """(k,): the trip whose origin is the pickup place."""
    dropoffs: NDArray[np.int64]
    """(k,): the trip whose destination is the drop-off place."""
    starts_s: NDArray[np.float64]
    """(k,): start of the window, seconds since midnight, whole minutes. Windows end on the day they start."""


def find_candidates(points: NDArray[np.float64], reach: Reach, min_trips: int) -> Candidates:
    """Find shifts of at least `min_trips` trips; each trip counts for one of them at most.

    Args:
        points: shape (n, 5): origin x, y, destination x, y in metres, time of day in seconds; in an order that
            depends on content only.
        reach: how far a shift reaches.
        min_trips: least number of trips.
    """
    if len(points) < min_trips:
        return Candidates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    tree, order = build(points, _TIME_WEIGHT * reach.radius_m / (reach.window_s / 2))
    counts = count_neighbours(
        tree, SearchRadius(reach.radius_m, reach.window_s / 2, False), np.ones(len(points), np.bool_)
    )
    pickups, dropoffs, starts_s = _find(tree, counts, reach, min_trips)
    return Candidates(order[pickups], order[dropoffs], starts_s)


@numba.njit(cache=True, nogil=True)
def _find(tree, counts, reach, min_trips):  # type: ignore[no-untyped-def]
    trips = tree.points.shape[0]
    queue = [(-counts[trip], trip) for trip in range(trips) if counts[trip] >= min_trips]
    heapq.heapify(queue)
    most = trips // min_trips
    pickups, dropoffs, starts_s = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
    stack, found = np.empty(STACK_SIZE, np.int64), np.empty(trips, np.int64)
    near = np.empty((1024, 3))
    point, shift = np.empty(5), np.empty(5)
    half_s = reach.window_s / 2
    served = SearchRadius(reach.radius_m, half_s, False)
    nearby = SearchRadius(
        (1 + _SEARCH_SHARE) * reach.radius_m, half_s + _SEARCH_SHARE * reach.window_s, False
    )
    last_s = 60.0 * DAY_MINUTES - reach.window_s
    made = 0
    while queue:
        negative_bound, seed = heapq.heappop(queue)
        if not tree.alive[seed]:
            continue
        point[:] = tree.points[seed]
        count = count_within(tree, point, served, trips + 1, stack)
        if count < -negative_bound:
            if count >= min_trips:
                heapq.heappush(queue, (-count, seed))
            continue
        count = find_within(tree, point, nearby, stack, found)
        if count > len(near):
            near = np.empty((2 * count, 3))
        shift[:4] = point[:4]
        shift[4] = min(max(60.0 * np.rint((point[4] - half_s) / 60), 0.0), last_s)
        climb(tree.points, found[:count], shift, reach, near)
        pickup = _meeting_point(tree.points, found[:count], shift, 0, reach)
        dropoff = _meeting_point(tree.points, found[:count], shift, 2, reach)
        point[:2], point[2:4] = tree.points[pickup, :2], tree.points[dropoff, 2:4]
        point[4] = shift[4] + half_s
        count = find_within(tree, point, served, stack, found)
        if count < min_trips:
            continue
        for at in range(count):
            remove(tree, found[at])
        pickups[made], dropoffs[made], starts_s[made] = pickup, dropoff, shift[4]
        made += 1
        if tree.alive[seed]:
            # The climb moved away from the seed, which may still be the centre of other trips.
            heapq.heappush(queue, (negative_bound, seed))
    return pickups[:made], dropoffs[:made], starts_s[:made]


@numba.njit(cache=True, nogil=True)
def _meeting_point(points, found, shift, end, reach):  # type: ignore[no-untyped-def]
    """Return the trip whose point at one end is the medoid near the shift's place: served riders walk least in all.

    Near is as far as the edges of a place are soft; if no trip has a point there, the nearest is taken. Of several
    the first trip of the tree is taken.
    """
    nearest, least, served = found[0], np.inf, 0
    walkers = np.empty((len(found), 2))
    for trip in found:
        squared = _squared(points, trip, end, shift[end], shift[end + 1])
        if squared < least or (squared == least and trip < nearest):
            nearest, least = trip, squared
        other = _squared(points, trip, 2 - end, shift[2 - end], shift[3 - end])
        late_s = points[trip, 4] - shift[4]
        if max(squared, other) <= reach.radius_m**2 and 0.0 <= late_s <= reach.window_s:
            walkers[served, 0], walkers[served, 1] = points[trip, end], points[trip, end + 1]
            served += 1
    medoid, shortest = nearest, np.inf
    for trip in found:
        if _squared(points, trip, end, shift[end], shift[end + 1]) > reach.softness_m**2:
            continue
        walked = 0.0
        for at in range(served):
            walked += np.hypot(points[trip, end] - walkers[at, 0], points[trip, end + 1] - walkers[at, 1])
        if walked < shortest or (walked == shortest and trip < medoid):
            medoid, shortest = trip, walked
    return medoid


@numba.njit(cache=True, nogil=True)
def _squared(points, trip, end, x, y):  # type: ignore[no-untyped-def]
    return (points[trip, end] - x) ** 2 + (points[trip, end + 1] - y) ** 2
