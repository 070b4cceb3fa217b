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
_ENTRIES_PER_EDGE = 8
"""So many strips hold an edge, on average at most."""


class Edges(NamedTuple):
    """The e edges of z areas, in the order of areas, polygons and rings."""

    bounds: NDArray[np.float64]
    """Shape (z, 4): west, south, east, north, with a margin: rounding decides just beside corners."""
    strips: NDArray[np.float64]
    """Shape (z, 3): of each area the first strip, the number of strips, and strips per degree."""
    strip_starts: NDArray[np.int64]
    """Shape (strips + 1,): position of each strip's first entry."""
    entries: NDArray[np.int64]
    """Edges of all strips, ascending within each."""
    points: NDArray[np.float64]
    """Shape (e, 4): longitude and latitude of both ends."""
    rings: NDArray[np.int64]
    """Shape (e,)."""
    polygons: NDArray[np.int64]
    """Shape (rings,): the polygon of each ring."""
    is_hole: NDArray[np.bool_]
    """Shape (rings,)."""


def edges_of(areas: Sequence[Area]) -> Edges:
    """The edges of valid areas."""
    points: list[NDArray[np.float64]] = []
    rings: list[NDArray[np.int64]] = []
    polygons: list[int] = []
    is_hole: list[bool] = []
    bounds = np.array([area.bounds for area in areas]) + np.array([-_MARGIN, -_MARGIN, _MARGIN, _MARGIN])
    starts, entries, strips = [np.zeros(1, np.int64)], [], []
    n_edges = n_strips = n_entries = n_polygons = 0
    for (_, south, _, north), area in zip(bounds.tolist(), areas, strict=True):
        first = n_edges
        of_area: list[NDArray[np.float64]] = []
        for polygon in shapely.get_parts(area):
            for number, ring in enumerate([polygon.exterior, *polygon.interiors]):
                at = shapely.get_coordinates(ring)
                of_area.append(np.concatenate([at[:-1], at[1:]], axis=1))
                rings.append(np.full(len(at) - 1, len(polygons)))
                polygons.append(n_polygons)
                is_hole.append(number > 0)
                n_edges += len(at) - 1
            n_polygons += 1
        points.append(np.concatenate(of_area))
        extent = float(np.abs(points[-1][:, 3] - points[-1][:, 1]).sum())
        count = int((_ENTRIES_PER_EDGE - 1) * len(points[-1]) * (north - south) / extent) if extent else 1
        count = max(count, 1)
        per_degree = count / (north - south)
        begins, found = _strips(points[-1], south, per_degree, count)
        strips.append((n_strips, count, per_degree))
        starts.append(begins[1:] + n_entries)
        entries.append(found + first)
        n_strips, n_entries = n_strips + count, n_entries + len(found)
    return Edges(
        bounds,
        np.array(strips, np.float64),
        np.concatenate(starts),
        np.concatenate(entries),
        np.concatenate(points),
        np.concatenate(rings),
        np.array(polygons, np.int64),
        np.array(is_hole, bool),
    )


@numba.njit(cache=True, nogil=True)
def _strips(points, south, per_degree, count):  # type: ignore[no-untyped-def]
    """Where each strip begins among the entries, and the entries: edges that reach into it."""
    starts = np.zeros(count + 1, np.int64)
    for edge in range(len(points)):
        for strip in range(
            _strip(min(points[edge, 1], points[edge, 3]), south, per_degree, count),
            _strip(max(points[edge, 1], points[edge, 3]), south, per_degree, count) + 1,
        ):
            starts[strip + 1] += 1
    starts = np.cumsum(starts)
    entries, filled = np.empty(starts[count], np.int64), starts[:-1].copy()
    for edge in range(len(points)):
        for strip in range(
            _strip(min(points[edge, 1], points[edge, 3]), south, per_degree, count),
            _strip(max(points[edge, 1], points[edge, 3]), south, per_degree, count) + 1,
        ):
            entries[filled[strip]] = edge
            filled[strip] += 1
    return starts, entries


@numba.njit(cache=True, nogil=True)
def _strip(lat, south, per_degree, count):  # type: ignore[no-untyped-def]
    """The strip of a latitude; monotone, so an edge is in every strip of a latitude that it reaches."""
    return min(max(np.int64((lat - south) * per_degree), 0), count - 1)


@numba.njit(cache=True, nogil=True)
def point_in_area(edges, area, lon, lat):  # type: ignore[no-untyped-def]
    """Whether a point lies in an area, its border included, as `ST_Intersects` says."""
    bounds, strips, starts, entries, points, rings, polygons, is_hole = edges
    if lon < bounds[area, 0] or lat < bounds[area, 1] or lon > bounds[area, 2] or lat > bounds[area, 3]:
        return False
    first = np.int64(strips[area, 0])
    strip = first + _strip(lat, bounds[area, 1], strips[area, 2], np.int64(strips[area, 1]))
    ring, polygon, winding, inside = np.int64(-1), np.int64(-1), 0, False
    for number in range(starts[strip], starts[strip + 1] + 1):
        is_end = number == starts[strip + 1]
        edge = entries[number] if not is_end else np.int64(0)
        if is_end or rings[edge] != ring:
            # The ring before is complete.
            if ring >= 0 and is_hole[ring]:
                inside = inside and winding == 0
            elif ring >= 0:
                inside = winding != 0
            if is_end or polygons[rings[edge]] != polygon:
                if inside:
                    return True
                if is_end:
                    return False
                polygon = polygons[rings[edge]]
            ring, winding = rings[edge], 0
        if is_hole[ring] and not inside:
            continue
        x1, y1, x2, y2 = points[edge]
        side = (x2 - x1) * (lat - y1) - (lon - x1) * (y2 - y1)
        if (x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1) < _IGNORED_LENGTH * _IGNORED_LENGTH:
            continue
        if side == 0.0 and (min(x1, x2) <= lon <= max(x1, x2) and min(y1, y2) <= lat <= max(y1, y2)):
            return True
        if y1 <= lat < y2 and side > 0:
            winding += 1
        elif y2 <= lat < y1 and side < 0:
            winding -= 1
    return False


@numba.njit(cache=True, nogil=True)
def rectangle_in_area(edges, area, west, south, east, north):  # type: ignore[no-untyped-def]
    """Whether all points of a closed rectangle lie in an area, or none, or an edge is so close that it is open."""
    bounds, strips, starts, entries, points = edges[0], edges[1], edges[2], edges[3], edges[4]
    if east < bounds[area, 0] or north < bounds[area, 1] or west > bounds[area, 2] or south > bounds[area, 3]:
        return OUTSIDE
    if west < east or south < north:
        first, count = np.int64(strips[area, 0]), np.int64(strips[area, 1])
        low, high = west - _MARGIN, east + _MARGIN
        down, up = south - _MARGIN, north + _MARGIN
        begin = first + _strip(down, bounds[area, 1], strips[area, 2], count)
        stop = first + _strip(up, bounds[area, 1], strips[area, 2], count) + 1
        for number in range(starts[begin], starts[stop]):
            x1, y1, x2, y2 = points[entries[number]]
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
    return INSIDE if point_in_area(edges, area, west, south) else OUTSIDE


@numba.njit(cache=True, nogil=True)
def is_ignored(x1, y1, x2, y2):  # type: ignore[no-untyped-def]
    """Whether PostGIS skips an edge: then its latitudes are not what the polygon's shape says."""
    return (x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1) < _IGNORED_LENGTH * _IGNORED_LENGTH
