"""What shifts guarantee, checked on their rows and the trips that they count, whatever wrote them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.projection import haversine_m
from shifts_core.id_places import find_places

_AT_ONCE = 1 << 20
"""Trips whose distances are in memory at one time."""


class CheckedTrips(NamedTuple):
    """The trips that the shifts of one or several regions may count; shape (n,), but for the ends."""

    regions: NDArray[np.int64]
    ids: NDArray[np.int64]
    times_s: NDArray[np.float64]
    """Times of day, seconds since midnight."""
    weekdays: NDArray[np.int8]
    """0 on Mondays."""
    ends: NDArray[np.float64]
    """Shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees."""


class CheckedShifts(NamedTuple):
    """Rows of the shifts of these regions, by region and rank; shape (k,), but for weekdays and places."""

    regions: NDArray[np.int64]
    ranks: NDArray[np.int64]
    earliest_s: NDArray[np.float64]
    latest_s: NDArray[np.float64]
    runs_on: NDArray[np.bool_]
    """Shape (k, 7), Monday first."""
    places: NDArray[np.float64]
    """Shape (k, 4), as the ends of trips."""


class CountedTrips(NamedTuple):
    """Which trips the shifts state; shape (m,)."""

    shifts: NDArray[np.int64]
    """Places among the rows."""
    ids: NDArray[np.int64]


class Violations(NamedTuple):
    """Which shifts break a guarantee; shape (k,)."""

    misfits: NDArray[np.bool_]
    """A trip is not among those that may be counted or of another region, farther from the places than the maximum,
    or outside of the window or the weekdays."""
    double: NDArray[np.bool_]
    """A trip is stated twice or by another shift too, or the rank does not follow that of another shift."""


def find_violations(
    trips: CheckedTrips, shifts: CheckedShifts, counted: CountedTrips, max_radius_m: float
) -> Violations:
    """Checks every shift.

    Args:
        trips: those that may be counted, each id once.
        shifts: all shifts of the regions.
        counted: the trips of all these shifts, in any order.
        max_radius_m: the largest distance allowed between the end of a trip and the place of its shift, metres.
    """
    misfits, double = np.zeros(len(shifts.ranks), np.bool_), _follow_none(shifts)
    places, is_repeated = find_places(trips.ids, counted.ids)
    double[counted.shifts[is_repeated]] = True
    misfits[counted.shifts[places < 0]] = True
    for begin in range(0, len(places), _AT_ONCE):
        trip, shift = places[begin : begin + _AT_ONCE], counted.shifts[begin : begin + _AT_ONCE]
        trip, shift = trip[trip >= 0], shift[trip >= 0]
        misfits[shift[~_fit(trips, shifts, trip, shift, max_radius_m)]] = True
    return Violations(misfits, double)


def _follow_none(shifts: CheckedShifts) -> NDArray[np.bool_]:
    """Shifts whose rank is neither 1 nor one more than that of the shift before, in their region."""
    before = np.zeros_like(shifts.ranks)
    before[1:] = np.where(shifts.regions[1:] == shifts.regions[:-1], shifts.ranks[:-1], 0)
    is_first_or_next: NDArray[np.bool_] = shifts.ranks == before + 1
    return ~is_first_or_next


def _fit(
    trips: CheckedTrips,
    shifts: CheckedShifts,
    trip: NDArray[np.int64],
    shift: NDArray[np.int64],
    max_radius_m: float,
) -> NDArray[np.bool_]:
    times_s, ends, places = trips.times_s[trip], trips.ends[trip], shifts.places[shift]
    fits: NDArray[np.bool_] = trips.regions[trip] == shifts.regions[shift]
    fits &= (times_s >= shifts.earliest_s[shift]) & (times_s <= shifts.latest_s[shift])
    fits &= shifts.runs_on[shift, trips.weekdays[trip]]
    for lon, lat in ((0, 1), (2, 3)):
        fits &= haversine_m(ends[:, lon], ends[:, lat], places[:, lon], places[:, lat]) <= max_radius_m
    return fits
