"""Meeting places: where the riders of a shift board and alight, and how far they walk."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.projection import EARTH_RADIUS_M
from shifts_core.shifts.coverage import Coverage
from shifts_core.shifts.trip_index import TripIndex, covered_trips, great_circle_m

NO_STOP = -1
_LEAST_GAIN = 1e-9
"""Stops that differ by less are equal: sums of the same walks differ by rounding."""


@dataclass(frozen=True)
class Walking:
    """How far riders walk between their trips' ends and the places of k shifts, metres on the sphere."""

    mean_m: NDArray[np.float64]
    """Shape (k, 2): to the pickup and from the drop-off; 0 for shifts without trips."""
    largest_m: NDArray[np.float64]
    """Shape (k, 2)."""


def measure_walking(places: NDArray[np.float64], served: Coverage, od_coords: NDArray[np.float64]) -> Walking:
    """Measure the walks of all trips that shifts serve.

    Args:
        places: shape (k, 4), degrees.
        served: trips of k shifts.
        od_coords: shape (n, 4), degrees.
    """
    return Walking(*_measure(places, served.starts, served.trips, od_coords))


@numba.njit(cache=True, nogil=True)
def _measure(places, starts, trips, od_coords):  # type: ignore[no-untyped-def]
    means, largest = np.zeros((len(places), 2)), np.zeros((len(places), 2))
    for shift in range(len(places)):
        for end in (0, 1):
            lon, lat = places[shift, 2 * end], places[shift, 2 * end + 1]
            for trip in trips[starts[shift] : starts[shift + 1]]:
                walk_m = great_circle_m(lon, lat, od_coords[trip, 2 * end], od_coords[trip, 2 * end + 1])
                means[shift, end] += walk_m
                largest[shift, end] = max(largest[shift, end], walk_m)
            means[shift, end] /= max(starts[shift + 1] - starts[shift], 1)
    return means, largest


def stops_at(places: NDArray[np.float64], stops: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the row of the stop at each place, shape (k, 2) for pickup and drop-off; NO_STOP where there is none.

    Args:
        places: shape (k, 4), degrees.
        stops: shape (s, 2), degrees. Of stops at the same coordinates the first is taken.
    """
    row_of = {stop: row for row, stop in reversed(list(enumerate(map(tuple, stops.tolist()))))}
    ends = places.reshape(-1, 2).tolist()
    return np.array([row_of.get(tuple(end), NO_STOP) for end in ends], np.int64).reshape(-1, 2)


def move_to_stops(
    index: TripIndex,
    places: NDArray[np.float64],
    windows_s: NDArray[np.float64],
    stops: NDArray[np.float64],
    radius_m: float,
) -> NDArray[np.float64]:
    """Move the places of shifts to the best of the given stops within the radius of them.

    A trip that a shift serves counts from 2, without any walk, down to 1, with walks of the radius at both ends. The
    stops at which trips count the most are the best ones: the pickup is chosen for the drop-off, then the drop-off
    for the pickup, until neither changes. Of equal stops the one furthest south is taken, then west. A place without
    a stop within the radius stays.

    Args:
        index: the trips.
        places: shape (k, 4), degrees.
        windows_s: shape (k, 2), seconds since midnight.
        stops: shape (s, 2): longitude and latitude of the places at which vehicles may stop.
        radius_m: how far a place may move, and how far riders walk, metres.

    Returns:
        Places, shape (k, 4).
    """
    # Trips that moved places serve are within two radii of the present ones.
    nearby = covered_trips(index, places, windows_s, 2 * radius_m)
    moved: NDArray[np.float64] = _move(
        index.od_coords, nearby.starts, nearby.trips, places, stops[np.lexsort(stops.T)], radius_m
    )
    return moved


@numba.njit(cache=True, nogil=True)
def _move(od_coords, starts, trips, places, stops, radius_m):  # type: ignore[no-untyped-def]
    places = places.copy()
    for shift in range(len(places)):
        own = trips[starts[shift] : starts[shift + 1]]
        near = (
            _stops_within(stops, places[shift, 0], places[shift, 1], radius_m),
            _stops_within(stops, places[shift, 2], places[shift, 3], radius_m),
        )
        walks_m = np.empty((2, len(own)))
        for end in (0, 1):
            _walk(od_coords, own, 2 * end, places[shift], walks_m[end])
        is_at_stop = np.zeros(2, np.bool_)
        end, unchanged = 0, 0
        while unchanged < 2:
            unchanged += 1
            place = places[shift, 2 * end : 2 * end + 2]
            others_m = walks_m[1 - end]
            best = _total(od_coords, own, 2 * end, place, others_m, radius_m) if is_at_stop[end] else -1.0
            for stop in near[end]:
                total = _total(od_coords, own, 2 * end, stops[stop], others_m, radius_m)
                if total > best + _LEAST_GAIN:
                    best, unchanged = total, 0
                    place[:] = stops[stop]
                    is_at_stop[end] = True
            if unchanged == 0:
                _walk(od_coords, own, 2 * end, places[shift], walks_m[end])
            end = 1 - end
    return places


@numba.njit(cache=True, nogil=True)
def _stops_within(stops, lon, lat, radius_m):  # type: ignore[no-untyped-def]
    """Return the rows of stops, which are sorted by latitude, within the radius of a place."""
    reach = _reach_of_latitude(radius_m)
    first = np.searchsorted(stops[:, 1], lat - reach)
    last = np.searchsorted(stops[:, 1], lat + reach, side="right")
    rows = np.empty(last - first, np.int64)
    count = 0
    for row in range(first, last):
        if great_circle_m(lon, lat, stops[row, 0], stops[row, 1]) <= radius_m:
            rows[count] = row
            count += 1
    return rows[:count]


@numba.njit(cache=True, nogil=True)
def _walk(od_coords, trips, column, places, walks_m):  # type: ignore[no-untyped-def]
    """Write the distances from a shift's place to one end of trips; both have longitudes in this column."""
    for at in range(len(trips)):
        trip = trips[at]
        walks_m[at] = great_circle_m(
            places[column], places[column + 1], od_coords[trip, column], od_coords[trip, column + 1]
        )


@numba.njit(cache=True, nogil=True)
def _total(od_coords, trips, column, stop, others_m, radius_m):  # type: ignore[no-untyped-def]
    """Return how much trips count at a stop, given their walks at the other end."""
    lat_reach = _reach_of_latitude(radius_m)
    total = 0.0
    for at in range(len(trips)):
        lon, lat = od_coords[trips[at], column], od_coords[trips[at], column + 1]
        if others_m[at] > radius_m or abs(lat - stop[1]) > lat_reach:
            continue
        walk_m = great_circle_m(stop[0], stop[1], lon, lat)
        if walk_m <= radius_m:
            total += 2.0 - (walk_m + others_m[at]) / (2 * radius_m)
    return total


@numba.njit(cache=True, nogil=True)
def _reach_of_latitude(radius_m):  # type: ignore[no-untyped-def]
    """Return a difference in latitude, degrees, that no two places within the radius exceed."""
    return np.degrees(radius_m / EARTH_RADIUS_M) * (1 + 1e-9) + 1e-12
