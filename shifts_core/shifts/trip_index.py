"""Which trips a shift serves: both ends within a radius of its places, the start within its window.

The exact rule, used alike for making, ranking and backtests: great-circle distances as `ST_DistanceSphere` measures
them, all limits included. Trips are searched in short numbers that lie in the order of the search. These decide all
but the trips next to a limit, for which the exact coordinates are read.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.cores import in_batches
from shifts_core.clustering.projection import EARTH_RADIUS_M
from shifts_core.shifts.coverage import Coverage

_METRES_PER_DEGREE = np.pi * EARTH_RADIUS_M / 180
_MARGIN = 1.0 + 1e-9
"""Search ranges are wider than the radius by this factor, so that rounding never hides a trip at the limit."""
_SHELL = 1e-3
"""Within this part of the radius from it, the distance on a plane does not decide."""
_LARGEST_PLANE_M = 20_000.0
_STEEPEST_PLANE = 85.0
"""With a larger radius, or closer to a pole (latitude in degrees), a plane differs by more than the shell."""
_TIME_MARGIN_S = 0.02
"""More than the error of a time of day in float32."""
_LON0, _LAT0, _LON1, _LAT1, _TIME = range(5)
_OUTSIDE, _OPEN, _INSIDE = 0, 1, 2
_BATCH_SIZE = 256


class TripIndex(NamedTuple):
    """Trips in cells of time and latitude of the origin, ordered by longitude of the origin within each cell."""

    od_coords: NDArray[np.float64]
    """(n, 4), degrees; as indexed, not copied."""
    times_s: NDArray[np.float64]
    """(n,), seconds since midnight; as indexed, not copied."""
    order: NDArray[np.int32]
    """(n,): rows of the trips, cell by cell."""
    short: NDArray[np.float32]
    """(5, n): longitude from the meridian and latitude of both ends, degrees, and times; in the order of cells."""
    error_degrees: float
    """Largest rounding error of a short coordinate."""
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
    cell = _cells(od_coords, times_s, slot_s, south, row_degrees, rows)
    order = np.lexsort((_from_meridian(od_coords[:, 0], meridian), cell)).astype(np.int32)
    cell_starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=slots * rows))])
    short, largest = _shorten(od_coords, times_s, order, meridian)
    return TripIndex(
        od_coords,
        times_s,
        order,
        short,
        float(largest * np.finfo(np.float32).eps),
        cell_starts,
        meridian,
        slot_s,
        south,
        row_degrees,
        rows,
        slots,
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
    sizes = np.zeros(len(places), np.int64)

    def search(starts: NDArray[np.int64], trips: NDArray[np.int32]) -> None:
        def search_batch(begin: int, stop: int) -> None:
            _search(index, places, windows_s, radius_m, begin, stop, starts, trips, sizes)

        in_batches(search_batch, len(places), _BATCH_SIZE)

    search(np.empty(0, np.int64), np.empty(0, np.int32))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    trips = np.empty(starts[-1], np.int32)
    search(starts, trips)
    return Coverage(starts, trips)


@numba.njit(cache=True, nogil=True)
def great_circle_m(lon_a, lat_a, lon_b, lat_b):  # type: ignore[no-untyped-def]
    """Return metres between two points in degrees, in the arithmetic of `projection.haversine_m`."""
    south, north = np.radians(lat_a), np.radians(lat_b)
    across = np.sin((north - south) / 2) ** 2
    along = np.sin(np.radians(lon_b - lon_a) / 2) ** 2
    return EARTH_RADIUS_M * 2 * np.arcsin(np.sqrt(across + np.cos(south) * np.cos(north) * along))


@numba.vectorize(cache=True, nopython=True)
def _from_meridian(lon, meridian):  # type: ignore[no-untyped-def]
    return (lon - meridian + 180.0) % 360.0 - 180.0


@numba.njit(cache=True, nogil=True)
def _cells(od_coords, times_s, slot_s, south, row_degrees, rows):  # type: ignore[no-untyped-def]
    """Return the cell of each trip, shape (n,)."""
    cells = np.empty(len(times_s), np.int32)
    for trip in range(len(times_s)):
        row = min(int((od_coords[trip, 1] - south) / row_degrees), rows - 1)
        cells[trip] = int(times_s[trip] / slot_s) * rows + row
    return cells


@numba.njit(cache=True, nogil=True)
def _shorten(od_coords, times_s, order, meridian):  # type: ignore[no-untyped-def]
    """Return the short coordinates and times, and the largest of the former."""
    short, largest = np.empty((5, len(order)), np.float32), 0.0
    for at in range(len(order)):
        trip = order[at]
        for axis in range(4):
            value = od_coords[trip, axis]
            if axis % 2 == 0:
                value = _from_meridian(value, meridian)
            largest = max(largest, abs(value))
            short[axis, at] = value
        short[_TIME, at] = times_s[trip]
    return short, largest


@numba.njit(cache=True, nogil=True)
def _reach_degrees(lat, radius_m):  # type: ignore[no-untyped-def]
    """Return the largest difference in longitude between a point at `lat` and any point within the radius."""
    angle = radius_m / EARTH_RADIUS_M
    cosine = np.cos(np.radians(lat))
    if np.sin(angle) >= cosine or angle >= np.pi / 2:
        return 180.0
    return np.degrees(np.arcsin(np.sin(angle) / cosine)) * _MARGIN + 1e-12


@numba.njit(cache=True, nogil=True)
def _search(index, places, windows_s, radius_m, begin, stop, starts, trips, sizes):  # type: ignore[no-untyped-def]
    """Count the trips of shifts into `sizes` (k,), and write them to `trips` at `starts` if these are given."""
    # Taking an array out of a tuple counts its references; doing so for each trip would cost more than the rest.
    order, cell_starts = index.order, index.cell_starts
    lons, lats, times = index.short[_LON0], index.short[_LAT0], index.short[_TIME]
    to_lons, to_lats, error = index.short[_LON1], index.short[_LAT1], index.error_degrees
    lat_reach = radius_m / _METRES_PER_DEGREE * _MARGIN + 1e-12
    limits = np.empty((2, 4))
    for shift in range(begin, stop):
        size = 0
        lon, lat = _from_meridian(places[shift, 0], index.meridian), places[shift, 1]
        to_lon, to_lat = _from_meridian(places[shift, 2], index.meridian), places[shift, 3]
        earliest, latest = windows_s[shift, 0], windows_s[shift, 1]
        _set_limits(lat, radius_m, error, limits[0])
        _set_limits(to_lat, radius_m, error, limits[1])
        reach = _reach_degrees(lat, radius_m) + error
        first_row = max(int(np.floor((lat - lat_reach - index.south) / index.row_degrees)), 0)
        last_row = min(int(np.floor((lat + lat_reach - index.south) / index.row_degrees)), index.rows - 1)
        first_slot = max(int(earliest / index.slot_s), 0)
        last_slot = min(int(latest / index.slot_s), index.slots - 1)
        for offset in range((last_slot - first_slot) % index.slots + 1):
            slot = (first_slot + offset) % index.slots
            for row in range(first_row, last_row + 1):
                cell = slot * index.rows + row
                low, high = cell_starts[cell], cell_starts[cell + 1]
                # Across the meridian opposite to the trips' there is a second range.
                for turn in (-360.0, 0.0, 360.0):
                    if lon + turn + reach < -180 or lon + turn - reach > 180:
                        continue
                    at = low + np.searchsorted(lons[low:high], np.float32(lon + turn - reach - error))
                    while at < high and lons[at] <= lon + turn + reach:
                        when = _relate_time(times[at], earliest, latest)
                        if when != _OUTSIDE:
                            there = _relate_point(to_lons[at] - to_lon, to_lats[at] - to_lat, limits[1])
                            if there != _OUTSIDE:
                                here = _relate_point(lons[at] - lon - turn, lats[at] - lat, limits[0])
                                if here != _OUTSIDE and (
                                    (when == _INSIDE and there == _INSIDE and here == _INSIDE)
                                    or _serves(index, order[at], places[shift], earliest, latest, radius_m)
                                ):
                                    if len(starts):
                                        trips[starts[shift] + size] = order[at]
                                    size += 1
                        at += 1
        if len(starts):
            trips[starts[shift] : starts[shift] + size].sort()
        sizes[shift] = size


@numba.njit(cache=True, nogil=True)
def _set_limits(lat, radius_m, error, limits):  # type: ignore[no-untyped-def]
    """Set what `_relate_point` compares with: of points that may be within the radius, then of those that are.

    On a plane the square of a distance is that of the latitudes plus a weight times that of the longitudes. The true
    weight is the product of the cosines of both latitudes.
    """
    reach = radius_m / _METRES_PER_DEGREE
    nearest, farthest = max(abs(lat) - reach - error, 0.0), abs(lat) + reach + error
    if radius_m > _LARGEST_PLANE_M or farthest > _STEEPEST_PLANE:
        # Only latitudes decide.
        limits[0], limits[1], limits[2], limits[3] = 0.0, (reach * _MARGIN + 2 * error) ** 2, 0.0, -1.0
        return
    cosine, smallest, largest = np.cos(np.radians(np.array([lat, farthest, nearest])))
    limits[0], limits[1] = cosine * smallest, (reach * (1 + _SHELL) + 3 * error) ** 2
    limits[2], limits[3] = cosine * largest, max(reach * (1 - _SHELL) - 3 * error, 0.0) ** 2


@numba.njit(cache=True, nogil=True)
def _relate_point(lon, lat, limits):  # type: ignore[no-untyped-def]
    """Whether a point is within the radius, by the differences of its short coordinates from the place's."""
    lon = abs(lon)
    lon = min(lon, 360.0 - lon)
    if lat * lat + limits[0] * lon * lon > limits[1]:
        return _OUTSIDE
    return _INSIDE if lat * lat + limits[2] * lon * lon < limits[3] else _OPEN


@numba.njit(cache=True, nogil=True)
def _relate_time(time_s, earliest, latest):  # type: ignore[no-untyped-def]
    """Whether a start is within a window, by its short time."""
    after, before = time_s - earliest, latest - time_s
    near, far = min(after, before), max(after, before)
    # Across midnight one of both suffices.
    inside = near if earliest <= latest else far
    if inside < -_TIME_MARGIN_S:
        return _OUTSIDE
    return _INSIDE if inside > _TIME_MARGIN_S else _OPEN


@numba.njit(cache=True, nogil=True)
def _serves(index, trip, place, earliest, latest, radius_m):  # type: ignore[no-untyped-def]
    time_s, ends = index.times_s[trip], index.od_coords[trip]
    within = earliest <= time_s, time_s <= latest
    in_window = (within[0] and within[1]) if earliest <= latest else (within[0] or within[1])
    if not in_window or great_circle_m(place[2], place[3], ends[2], ends[3]) > radius_m:
        return False
    return great_circle_m(place[0], place[1], ends[0], ends[1]) <= radius_m
