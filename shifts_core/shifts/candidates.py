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

from shifts_core.clustering.build_tree import build_in_place
from shifts_core.clustering.counting import count_neighbours
from shifts_core.clustering.kd_tree import STACK_SIZE, SearchRadius, count_within, find_within, remove
from shifts_core.clustering.projection import to_plane
from shifts_core.shifts.climb import DAY_MINUTES, Reach, climb, share_at
from shifts_core.shifts.history import DAY_S
from shifts_core.shifts.trip_index import TripIndex, covered_trips

MOST_TRIPS = 2_000_000
MOST_SAMPLED = 3_000_000
_SAMPLE_GROWTH = 4
_MARKED_AT_ONCE = 4_096
"""Candidates, whose trips are in memory together."""
_TIME_WEIGHT = 4
"""Weight of time when a node of the tree is split, as for clusters."""
_SEARCH_SHARE = 0.8
"""Trips up to this much of the radius, and of the window, beyond a seed's reach may be served after its climb."""
_MOST_CLIMBED, _MOST_WALKERS, _MOST_POINTS = 2_048, 1_024, 128
"""Of more trips near a seed, riders and points of a place, each n-th is looked at: where there are so many, these
lead to the same places, in a time that does not grow with the square of their number."""


class Candidates(NamedTuple):
    """k places and windows."""

    pickups: NDArray[np.int64]
    """(k,): the trip whose origin is the pickup place."""
    dropoffs: NDArray[np.int64]
    """(k,): the trip whose destination is the drop-off place."""
    starts_s: NDArray[np.float64]
    """(k,): start of the window, seconds since midnight, whole minutes. Windows end on the day they start."""


def find_candidates(
    index: TripIndex,
    reach: Reach,
    min_trips: int,
    most_trips: int = MOST_TRIPS,
    most_sampled: int = MOST_SAMPLED,
) -> Candidates:
    """Find shifts of at least `min_trips` trips; each trip counts for one of them at most.

    Of many trips the dense places are found in a sample, then the others among the trips that those do not serve, in
    larger and larger samples: where trips are dense, a search among all of them takes long and finds the same.

    Args:
        index: the trips, in an order that depends on content only.
        reach: how far a shift reaches.
        min_trips: least number of trips, of a sample in a sample.
        most_trips: about how many trips are searched at once.
        most_sampled: about how many trips are a sample.
    """
    rows = np.arange(len(index.times_s), dtype=np.int32)
    step = 1
    while len(rows) > step * most_sampled:
        step *= _SAMPLE_GROWTH
    found: list[Candidates] = []
    while True:
        sample = rows[::step]
        od_coords, times_s = (
            (index.od_coords, index.times_s)
            if step == 1 and not found
            else (index.od_coords[sample], index.times_s[sample])
        )
        made = [
            _find_in_part(od_coords, times_s, first_s, last_s, reach, min_trips)
            for first_s, last_s in _parts(times_s, reach, most_trips)
        ]
        pickups, dropoffs, starts_s = (np.concatenate(columns) for columns in zip(*made, strict=True))
        found.append(
            Candidates(sample[pickups].astype(np.int64), sample[dropoffs].astype(np.int64), starts_s)
        )
        if step == 1:
            return Candidates(*(np.concatenate(columns) for columns in zip(*found, strict=True)))
        rows = _unserved(index, rows, found[-1], reach)
        step //= _SAMPLE_GROWTH


def places_and_windows(
    index: TripIndex, found: Candidates, window_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the places of candidates, shape (k, 4), degrees, and their windows, shape (k, 2), seconds."""
    places = np.column_stack([index.od_coords[found.pickups, :2], index.od_coords[found.dropoffs, 2:]])
    return places, np.column_stack([found.starts_s, np.minimum(found.starts_s + window_s, DAY_S - 1)])


def _unserved(
    index: TripIndex, rows: NDArray[np.int32], found: Candidates, reach: Reach
) -> NDArray[np.int32]:
    """Return those of some trips that no candidate serves."""
    is_served = np.zeros(len(index.times_s), np.bool_)
    places, windows_s = places_and_windows(index, found, reach.window_s)
    for first in range(0, len(places), _MARKED_AT_ONCE):
        some = slice(first, first + _MARKED_AT_ONCE)
        is_served[covered_trips(index, places[some], windows_s[some], reach.radius_m).trips] = True
    return rows[~is_served[rows]]


def _parts(times_s: NDArray[np.float64], reach: Reach, most_trips: int) -> list[tuple[float, float]]:
    """Divide the day by the starts of windows, in whole minutes, into parts with about as many trips.

    Memory for a search is bounded so, whatever the number of trips. A part is at least as long as a window.
    """
    end_s = 60.0 * DAY_MINUTES - reach.window_s
    parts = -(-len(times_s) // most_trips)
    borders = [0.0]
    for share in range(1, parts):
        border_s = 60.0 * np.floor(
            np.partition(times_s, len(times_s) * share // parts)[len(times_s) * share // parts] / 60
        )
        if borders[-1] + reach.window_s <= border_s <= end_s - reach.window_s:
            borders.append(border_s)
    return list(zip(borders, [border_s - 60.0 for border_s in borders[1:]] + [end_s], strict=True))


def _find_in_part(
    od_coords: NDArray[np.float64],
    times_s: NDArray[np.float64],
    first_s: float,
    last_s: float,
    reach: Reach,
    min_trips: int,
) -> Candidates:
    """Find shifts whose windows start from `first_s` to `last_s`."""
    rows = np.flatnonzero((first_s <= times_s) & (times_s <= last_s + reach.window_s)).astype(np.int32)
    if len(rows) < min_trips:
        return Candidates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    points = np.empty((len(rows), 5))
    points[:, 4] = times_s[rows]
    points[:, :4] = to_plane(od_coords[rows])
    tree, order = build_in_place(points, _TIME_WEIGHT * reach.radius_m / (reach.window_s / 2))
    counts = count_neighbours(
        tree, SearchRadius(reach.radius_m, reach.window_s / 2, False), np.ones(len(points), np.bool_)
    )
    pickups, dropoffs, starts_s = _find(tree, counts, first_s, last_s, reach, min_trips)
    return Candidates(rows[order[pickups]], rows[order[dropoffs]], starts_s)


@numba.njit(cache=True, nogil=True)
def _find(tree, counts, first_s, last_s, reach, min_trips):  # type: ignore[no-untyped-def]
    trips = tree.points.shape[0]
    half_s, end_s = reach.window_s / 2, 60.0 * DAY_MINUTES - reach.window_s
    # Trips of windows that other parts search are served here, but no seeds.
    start_s = np.minimum(np.maximum(60.0 * np.rint((tree.points[:, 4] - half_s) / 60), 0.0), end_s)
    is_seed = (counts >= min_trips) & (first_s <= start_s) & (start_s <= last_s)
    queue = [(-counts[trip], trip) for trip in range(trips) if is_seed[trip]]
    heapq.heapify(queue)
    most = trips // min_trips
    pickups, dropoffs, starts_s = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
    stack, found = np.empty(STACK_SIZE, np.int64), np.empty(trips, np.int64)
    near = np.empty((1024, 3))
    point, shift = np.empty(5), np.empty(5)
    served = SearchRadius(reach.radius_m, half_s, False)
    nearby = SearchRadius(
        (1 + _SEARCH_SHARE) * reach.radius_m, half_s + _SEARCH_SHARE * reach.window_s, False
    )
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
        shift[4] = start_s[seed]
        climb(tree.points, _some(found[:count], _MOST_CLIMBED), shift, first_s, last_s, reach, near)
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
    """Return the trip whose point at one end serves the most trips, and of such points that with the shortest walks.

    Points as near to the shift's place as its edges are soft take part; if there are none, the nearest is taken. Of
    several the first trip of the tree is taken.
    """
    nearest, least, riders, close = found[0], np.inf, 0, 0
    walkers, points_near = np.empty((len(found), 2)), np.empty(len(found), np.int64)
    for trip in found:
        squared = _squared(points, trip, end, shift[end], shift[end + 1])
        if squared < least or (squared == least and trip < nearest):
            nearest, least = trip, squared
        if squared <= reach.softness_m**2:
            points_near[close] = trip
            close += 1
        other = _squared(points, trip, 2 - end, shift[2 - end], shift[3 - end])
        late_s = points[trip, 4] - shift[4]
        if other <= reach.radius_m**2 and 0.0 <= late_s <= reach.window_s:
            walkers[riders, 0], walkers[riders, 1] = points[trip, end], points[trip, end + 1]
            riders += 1
    best, most = nearest, -np.inf
    walkers = _some(walkers[:riders], _MOST_WALKERS)
    for trip in _some(points_near[:close], _MOST_POINTS):
        served = 0.0
        for walker in walkers:
            served += share_at(walker[0], walker[1], points[trip, end], points[trip, end + 1], reach)
        if served > most or (served == most and trip < best):
            best, most = trip, served
    return best


@numba.njit(cache=True, nogil=True)
def _some(found, most):  # type: ignore[no-untyped-def]
    """Return at most so many entries, evenly spread: each n-th."""
    return found[:: 1 + max(len(found) - 1, 0) // most]


@numba.njit(cache=True, nogil=True)
def _squared(points, trip, end, x, y):  # type: ignore[no-untyped-def]
    return (points[trip, end] - x) ** 2 + (points[trip, end + 1] - y) ** 2
