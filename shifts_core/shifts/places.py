"""Meeting places: where the riders of a shift board and alight, and how far they walk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.projection import haversine_m
from shifts_core.shifts.coverage import Coverage, TripIndex, covered_trips


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
    shift_of, sizes = served.shift_of(), np.diff(served.starts)
    own, coords = places[shift_of], od_coords[served.trips]
    means, largest = np.zeros((len(places), 2)), np.zeros((len(places), 2))
    for end in (0, 1):
        walks_m = haversine_m(*own[:, 2 * end : 2 * end + 2].T, *coords[:, 2 * end : 2 * end + 2].T)
        means[:, end] = np.bincount(shift_of, walks_m, len(places)) / np.maximum(sizes, 1)
        np.maximum.at(largest[:, end], shift_of, walks_m)
    return Walking(means, largest)


def move_to_stops(
    index: TripIndex,
    places: NDArray[np.float64],
    windows_s: NDArray[np.float64],
    stops: NDArray[np.float64],
    radius_m: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Move the places of shifts to the best of the given stops within the radius, the pickup first.

    The best stop serves the most trips; of those that serve as many, the one with the shortest walks in all; then the
    one furthest west, then south.

    Args:
        index: the trips.
        places: shape (k, 4), degrees.
        windows_s: shape (k, 2), seconds since midnight.
        stops: shape (s, 2): longitude and latitude of the places at which vehicles may stop.
        radius_m: how far a place may move, and how far riders walk, metres.

    Returns:
        Places, shape (k, 4), and whether there was a stop within the radius at both ends, shape (k,).
    """
    stops = stops[np.lexsort(stops.T[::-1])]
    # Trips that a moved pickup serves are within two radii of the present one.
    nearby = covered_trips(index, places, windows_s, 2 * radius_m)
    places, found = places.copy(), np.zeros((len(places), 2), np.bool_)
    for shift in range(len(places)):
        trips = index.od_coords[nearby.trips[nearby.starts[shift] : nearby.starts[shift + 1]]]
        for end in (0, 2):
            other = 2 - end
            place = places[shift]
            reached = haversine_m(*place[other : other + 2], *trips[:, other : other + 2].T) <= radius_m
            stop = _best_stop(stops, place[end : end + 2], trips[reached, end : end + 2], radius_m)
            if stop is not None:
                places[shift, end : end + 2] = stop
                found[shift, end // 2] = True
    return places, found[:, 0] & found[:, 1]


def _best_stop(
    stops: NDArray[np.float64], place: NDArray[np.float64], ends: NDArray[np.float64], radius_m: float
) -> NDArray[np.float64] | None:
    """Return the stop within the radius of a place that serves the ends of trips best, or None."""
    near = stops[haversine_m(*place, *stops.T) <= radius_m]
    if not len(near):
        return None
    walks_m = haversine_m(near[:, 0, None], near[:, 1, None], ends[None, :, 0], ends[None, :, 1])
    reached = walks_m <= radius_m
    walked_m = np.where(reached, walks_m, 0.0).sum(axis=1)
    best: NDArray[np.float64] = near[np.lexsort((walked_m, -reached.sum(axis=1)))[0]]
    return best
