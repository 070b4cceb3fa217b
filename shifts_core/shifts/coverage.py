"""Which trips a shift serves: both ends within a radius of its places, the start within its window and weekdays.

The exact rule, used alike for making, ranking and backtests: great-circle distances as `ST_DistanceSphere` measures
them, all limits included.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.projection import EARTH_RADIUS_M

_METRES_PER_DEGREE = np.pi * EARTH_RADIUS_M / 180
_MARGIN = 1.0 + 1e-9
"""Search ranges are wider than the radius by this factor, so that rounding never hides a trip at the limit."""


class TripIndex(NamedTuple):
    """Trips in cells of time and latitude of the origin, ordered by longitude of the origin within each cell."""

    od_coords: NDArray[np.float64]
    """(n, 4), degrees; as indexed, not copied."""
    times_s: NDArray[np.float64]
    """(n,), seconds since midnight."""
    order: NDArray[np.int64]
    """(n,): rows of the trips, cell by cell."""
    cell_starts: NDArray[np.int64]
    """(slots * rows + 1,): where each cell begins in `order`."""
    meridian: float
    """Longitudes count from here, from -180 to 180."""
    slot_s: float
    """Seconds of a cell."""
    south: float
    row_degrees: float
    """Latitude at which cells begin, and their height."""
    rows: int
    slots: int


class Coverage(NamedTuple):
    """Trips of each of k shifts: those of shift j are `trips[starts[j]:starts[j + 1]]`, in rising order."""

    starts: NDArray[np.int64]
    """(k + 1,)."""
    trips: NDArray[np.int64]

    def shift_of(self) -> NDArray[np.int64]:
        """Return the shift of each entry of `trips`."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def where(self, mask: NDArray[np.bool_]) -> "Coverage":
        """Return the entries of a mask, of the shape of `trips`."""
        before = np.concatenate([[0], np.cumsum(mask)])
        return Coverage(before[self.starts], self.trips[mask])

    def take(self, shifts: NDArray[np.int64]) -> "Coverage":
        """Return some shifts in the given order."""
        sizes = np.diff(self.starts)[shifts]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        entries = np.repeat(self.starts[shifts] - starts[:-1], sizes) + np.arange(starts[-1])
        return Coverage(starts, self.trips[entries])


def index_trips(od_coords: NDArray[np.float64], times_s: NDArray[np.float64], radius_m: float) -> TripIndex:
    """Index trips for searches with about the given radius.

    Args:
        od_coords: shape (n, 4), degrees.
        times_s: shape (n,), seconds since midnight.
        radius_m: the height of a cell; searches with other radii are slower but right.
    """
    slot_s, row_degrees = 1800.0, radius_m / _METRES_PER_DEGREE
    meridian = float(od_coords[0, 0]) if len(od_coords) else 0.0
    south = float(od_coords[:, 1].min(initial=90.0))
    north = float(od_coords[:, 1].max(initial=south))
    rows, slots = int((north - south) / row_degrees) + 1, int(86_400 / slot_s)
    row = np.minimum(((od_coords[:, 1] - south) / row_degrees).astype(np.int64), rows - 1)
    cell = (times_s / slot_s).astype(np.int64) * rows + row
    order = np.lexsort((_from_meridian(od_coords[:, 0], meridian), cell))
    cell_starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=slots * rows))])
    return TripIndex(
        od_coords, times_s, order, cell_starts, meridian, slot_s, south, row_degrees, rows, slots
    )


def covered_trips(
    index: TripIndex, places: NDArray[np.float64], windows_s: NDArray[np.float64], radius_m: float
) -> Coverage:
    """Return the trips within the radius of both places that start within the window, on any weekday.

    Args:
        index: the trips.
        places: shape (k, 4): longitude and latitude of pickup and drop-off, degrees.
        windows_s: shape (k, 2): earliest and latest start, seconds since midnight; across midnight if the latest
            is less.
        radius_m: largest distance at each end, metres on the sphere.

    Returns:
        Rows of the arrays that were indexed.
    """
    sizes = _search(index, places, windows_s, radius_m, np.empty(0, np.int64), np.empty(0, np.int64))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    trips = np.empty(starts[-1], np.int64)
    _search(index, places, windows_s, radius_m, starts, trips)
    return Coverage(starts, trips)


def on_weekdays(coverage: Coverage, trip_weekdays: NDArray[np.int64], runs_on: NDArray[np.bool_]) -> Coverage:
    """Return the trips that start on a weekday of their shift.

    Args:
        coverage: trips of k shifts.
        trip_weekdays: shape (n,): weekday of each trip, 0 on Mondays.
        runs_on: shape (k, 7): weekdays of each shift.
    """
    return coverage.where(runs_on[coverage.shift_of(), trip_weekdays[coverage.trips]])


@numba.vectorize(cache=True, nopython=True)
def _from_meridian(lon, meridian):  # type: ignore[no-untyped-def]
    return (lon - meridian + 180.0) % 360.0 - 180.0


@numba.njit(cache=True, nogil=True)
def great_circle_m(lon_a, lat_a, lon_b, lat_b):  # type: ignore[no-untyped-def]
    """Return metres between two points in degrees, in the arithmetic of `projection.haversine_m`."""
    south, north = np.radians(lat_a), np.radians(lat_b)
    across = np.sin((north - south) / 2) ** 2
    along = np.sin(np.radians(lon_b - lon_a) / 2) ** 2
    return EARTH_RADIUS_M * 2 * np.arcsin(np.sqrt(across + np.cos(south) * np.cos(north) * along))


@numba.njit(cache=True, nogil=True)
def _reach_degrees(lat, radius_m):  # type: ignore[no-untyped-def]
    """Return the largest difference in longitude between a point at `lat` and any point within the radius."""
    angle = radius_m / EARTH_RADIUS_M
    cosine = np.cos(np.radians(lat))
    if np.sin(angle) >= cosine or angle >= np.pi / 2:
        return 180.0
    return np.degrees(np.arcsin(np.sin(angle) / cosine)) * _MARGIN + 1e-12


@numba.njit(cache=True, nogil=True)
def _first_from(index, low, high, lon):  # type: ignore[no-untyped-def]
    """Return the first position of [low, high) whose origin has at least this longitude (binary search)."""
    while low < high:
        half = (low + high) // 2
        if _from_meridian(index.od_coords[index.order[half], 0], index.meridian) < lon:
            low = half + 1
        else:
            high = half
    return low


@numba.njit(cache=True, nogil=True)
def _search(index, places, windows_s, radius_m, starts, trips):  # type: ignore[no-untyped-def]
    """Count the trips of each shift, shape (k,), and write them to `trips` at `starts` if these are given."""
    sizes = np.zeros(len(places), np.int64)
    lat_reach = radius_m / _METRES_PER_DEGREE * _MARGIN + 1e-12
    for shift in range(len(places)):
        lon, lat = _from_meridian(places[shift, 0], index.meridian), places[shift, 1]
        reach = _reach_degrees(lat, radius_m)
        first_row = max(int(np.floor((lat - lat_reach - index.south) / index.row_degrees)), 0)
        last_row = min(int(np.floor((lat + lat_reach - index.south) / index.row_degrees)), index.rows - 1)
        first_slot = max(int(windows_s[shift, 0] / index.slot_s), 0)
        last_slot = min(int(windows_s[shift, 1] / index.slot_s), index.slots - 1)
        for offset in range((last_slot - first_slot) % index.slots + 1):
            slot = (first_slot + offset) % index.slots
            for row in range(first_row, last_row + 1):
                cell = slot * index.rows + row
                low, high = index.cell_starts[cell], index.cell_starts[cell + 1]
                # Across the meridian opposite to the trips' there is a second range.
                for turn in (-360.0, 0.0, 360.0):
                    if lon + turn + reach < -180 or lon + turn - reach > 180:
                        continue
                    at = _first_from(index, low, high, lon + turn - reach)
                    while at < high:
                        trip = index.order[at]
                        if _from_meridian(index.od_coords[trip, 0], index.meridian) > lon + turn + reach:
                            break
                        if _serves(index, trip, places[shift], windows_s[shift], radius_m, lat_reach):
                            if len(starts):
                                trips[starts[shift] + sizes[shift]] = trip
                            sizes[shift] += 1
                        at += 1
        if len(starts):
            trips[starts[shift] : starts[shift] + sizes[shift]].sort()
    return sizes


@numba.njit(cache=True, nogil=True)
def _serves(index, trip, place, window_s, radius_m, lat_reach):  # type: ignore[no-untyped-def]
    time_s, ends = index.times_s[trip], index.od_coords[trip]
    within = window_s[0] <= time_s, time_s <= window_s[1]
    in_window = (within[0] and within[1]) if window_s[0] <= window_s[1] else (within[0] or within[1])
    if not in_window or abs(ends[3] - place[3]) > lat_reach:
        return False
    if great_circle_m(place[2], place[3], ends[2], ends[3]) > radius_m:
        return False
    return great_circle_m(place[0], place[1], ends[0], ends[1]) <= radius_m
