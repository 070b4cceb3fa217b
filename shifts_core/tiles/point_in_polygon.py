"""Compiled tests whether points lie in polygons: the arithmetic of PostGIS' `ST_Intersects`, to the last bit.

PostGIS tests a point against a polygon by winding numbers in float64 (lwgeom_functions_analytic.c, after D. Sunday,
"Inclusion of a Point in a Polygon"). Libraries with exact predicates, such as GEOS, differ from it for points very
close to a side, so the same operations are repeated here in the same order. The edges of each area are found by
horizontal strips.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import shapely
from numpy.typing import NDArray

from shifts_core.polygons import Area

OUTSIDE, INSIDE, UNDECIDED = 0, 1, 2
_IGNORED_LENGTH = 1e-12
"""PostGIS skips edges that are shorter, in degrees."""
_MARGIN = 1e-9
"""Degrees; far more than rounding moves a side for any point."""
_STRIPS_OF_EDGE = 8
"""So many strips hold an edge, on average at most."""


class Edges(NamedTuple):
    """The edges of z areas, by strips; an edge stands in each strip that it reaches, n times in all.

    Compiled functions take the arrays one by one: to take them out of a tuple for each point would cost as much as
    the test.
    """

    areas: NDArray[np.float64]
    """Shape (z, 7): west, south, east, north, with a margin, as rounding decides just beside corners; then the first
    strip, the number of strips, and strips per degree."""
    starts: NDArray[np.int64]
    """Shape (strips + 1,): position of each strip's first edge."""
    points: NDArray[np.float64]
    """Shape (n, 4): longitude and latitude of both ends; in each strip in the order of polygons and rings."""
    rings: NDArray[np.int64]
    """Shape (n, 3): the ring's number, its polygon's number, and whether it is a hole."""


def edges_of(areas: Sequence[Area]) -> Edges:
    """The edges of valid areas."""
    bounds = np.array([area.bounds for area in areas]) + np.array([-_MARGIN, -_MARGIN, _MARGIN, _MARGIN])
    starts, strips, all_points, all_rings = [np.zeros(1, np.int64)], [], [], []
    n_strips = n_edges = n_rings = n_polygons = 0
    for (_, south, _, north), area in zip(bounds.tolist(), areas, strict=True):
        of_rings, numbers = [], []
        for polygon in shapely.get_parts(area):
            for number, ring in enumerate([polygon.exterior, *polygon.interiors]):
                at = shapely.get_coordinates(ring)
                of_rings.append(np.concatenate([at[:-1], at[1:]], axis=1))
                numbers.append(np.full((len(at) - 1, 3), (n_rings, n_polygons, number > 0), np.int64))
                n_rings += 1
            n_polygons += 1
        points, rings = np.concatenate(of_rings), np.concatenate(numbers)
        extent = float(np.abs(points[:, 3] - points[:, 1]).sum())
        count = int((_STRIPS_OF_EDGE - 1) * len(points) * (north - south) / extent) if extent else 1
        count = max(count, 1)
        per_degree = count / (north - south)
        begins, found = _strips(points, south, per_degree, count)
        strips.append((n_strips, count, per_degree))
        starts.append(begins[1:] + n_edges)
        all_points.append(points[found])
        all_rings.append(rings[found])
        n_strips, n_edges = n_strips + count, n_edges + len(found)
    return Edges(
        np.concatenate([bounds, np.array(strips, np.float64)], axis=1),
        np.concatenate(starts),
        np.concatenate(all_points),
        np.concatenate(all_rings),
    )


@numba.njit(cache=True, nogil=True)
def _strips(points, south, per_degree, count):  # type: ignore[no-untyped-def]
    """Where each strip begins, and the edges of all strips: those that reach into it, ascending."""
    starts = np.zeros(count + 1, np.int64)
    for edge in range(len(points)):
        for strip in range(
            strip_of(min(points[edge, 1], points[edge, 3]), south, per_degree, count),
            strip_of(max(points[edge, 1], points[edge, 3]), south, per_degree, count) + 1,
        ):
            starts[strip + 1] += 1
    starts = np.cumsum(starts)
    entries, filled = np.empty(starts[count], np.int64), starts[:-1].copy()
    for edge in range(len(points)):
        for strip in range(
            strip_of(min(points[edge, 1], points[edge, 3]), south, per_degree, count),
            strip_of(max(points[edge, 1], points[edge, 3]), south, per_degree, count) + 1,
        ):
            entries[filled[strip]] = edge
            filled[strip] += 1
    return starts, entries


@numba.njit(cache=True, nogil=True)
def strip_of(lat, south, per_degree, count):  # type: ignore[no-untyped-def]
    """The strip of a latitude; monotone, so an edge is in every strip of a latitude that it reaches."""
    return min(max(np.int64((lat - south) * per_degree), 0), count - 1)


@numba.njit(cache=True, nogil=True)
def point_in_area(areas, starts, points, rings, area, lon, lat):  # type: ignore[no-untyped-def]
    """Whether a point lies in an area, its border included, as `ST_Intersects` says."""
    if lon < areas[area, 0] or lat < areas[area, 1] or lon > areas[area, 2] or lat > areas[area, 3]:
        return False
    strip = np.int64(areas[area, 4]) + strip_of(lat, areas[area, 1], areas[area, 6], np.int64(areas[area, 5]))
    stop = starts[strip + 1]
    ring, polygon, is_hole, winding, inside = np.int64(-1), np.int64(-1), False, 0, False
    for edge in range(starts[strip], stop + 1):
        if edge == stop or rings[edge, 0] != ring:
            # The ring before is complete.
            if ring >= 0:
                inside = (inside and winding == 0) if is_hole else winding != 0
            if edge == stop or rings[edge, 1] != polygon:
                if inside:
                    return True
                if edge == stop:
                    return False
                polygon = rings[edge, 1]
            ring, is_hole, winding = rings[edge, 0], rings[edge, 2] != 0, 0
        if is_hole and not inside:
            continue
        x1, y1, x2, y2 = points[edge, 0], points[edge, 1], points[edge, 2], points[edge, 3]
        side = (x2 - x1) * (lat - y1) - (lon - x1) * (y2 - y1)
        if is_ignored(x1, y1, x2, y2):
            continue
        if side == 0.0 and (min(x1, x2) <= lon <= max(x1, x2) and min(y1, y2) <= lat <= max(y1, y2)):
            return True
        if y1 <= lat < y2 and side > 0:
            winding += 1
        elif y2 <= lat < y1 and side < 0:
            winding -= 1
    return False


@numba.njit(cache=True, nogil=True)
def rectangle_in_area(areas, starts, points, rings, area, west, south, east, north):  # type: ignore[no-untyped-def]
    """Whether all points of a closed rectangle lie in an area, or none, or an edge is so close that it is open."""
    if east < areas[area, 0] or north < areas[area, 1] or west > areas[area, 2] or south > areas[area, 3]:
        return OUTSIDE
    if west < east or south < north:
        first, count = np.int64(areas[area, 4]), np.int64(areas[area, 5])
        low, high = west - _MARGIN, east + _MARGIN
        down, up = south - _MARGIN, north + _MARGIN
        begin = first + strip_of(down, areas[area, 1], areas[area, 6], count)
        stop = first + strip_of(up, areas[area, 1], areas[area, 6], count) + 1
        for edge in range(starts[begin], starts[stop]):
            x1, y1, x2, y2 = points[edge, 0], points[edge, 1], points[edge, 2], points[edge, 3]
            if max(y1, y2) < down or min(y1, y2) > up:
                continue
            if is_ignored(x1, y1, x2, y2):
                return UNDECIDED
            if max(x1, x2) < low or min(x1, x2) > high:
                continue
            one = (x2 - x1) * (down - y1) - (low - x1) * (y2 - y1)
            two = (x2 - x1) * (down - y1) - (high - x1) * (y2 - y1)
            three = (x2 - x1) * (up - y1) - (low - x1) * (y2 - y1)
            four = (x2 - x1) * (up - y1) - (high - x1) * (y2 - y1)
            if not (
                (one > 0 and two > 0 and three > 0 and four > 0)
                or (one < 0 and two < 0 and three < 0 and four < 0)
            ):
                return UNDECIDED
    return INSIDE if point_in_area(areas, starts, points, rings, area, west, south) else OUTSIDE


@numba.njit(cache=True, nogil=True)
def is_ignored(x1, y1, x2, y2):  # type: ignore[no-untyped-def]
    """Whether PostGIS skips an edge: then its latitudes are not what the polygon's shape says."""
    return (x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1) < _IGNORED_LENGTH * _IGNORED_LENGTH
