"""Random polygons and multipolygons, with holes, whose vertices and sides often run through given points."""

import numpy as np
import shapely
from numpy.typing import NDArray

from shifts_core.polygons import Area
from shifts_core.tiles.box import Match


def random_area(rng: np.random.Generator, points: NDArray[np.float64]) -> Area:
    """A valid area; `points` (n, 2) lie on its border, in it or near it."""
    while True:
        parts = [_polygon(rng, points) for _ in range(int(rng.integers(1, 4)))]
        area = shapely.union_all(parts) if len(parts) > 1 else parts[0]
        polygons = [part for part in shapely.get_parts(area) if isinstance(part, shapely.Polygon)]
        if polygons and (area := shapely.MultiPolygon(polygons)).is_valid and area.area > 0:
            return polygons[0] if len(polygons) == 1 else area


def _polygon(rng: np.random.Generator, points: NDArray[np.float64]) -> Area:
    kind = rng.integers(0, 4)
    chosen = points[rng.integers(0, len(points), int(rng.integers(3, 12)))]
    centre = chosen.mean(axis=0)
    size = float(np.abs(chosen - centre).max()) or 1e-3
    if kind == 0:
        # Corners are points.
        angles = np.arctan2(*(chosen - centre).T[::-1])
        ring = chosen[np.argsort(angles)]
    elif kind == 1:
        west, south = chosen.min(axis=0)
        east, north = chosen.max(axis=0)
        ring = np.array([[west, south], [east, south], [east, north], [west, north]])
    else:
        # Concave.
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 40))))
        reach = size * rng.uniform(0.1, 1.5, len(angles))
        ring = centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, None]
    ring = np.clip(ring, [-180, -90], [180, 90])
    polygon = shapely.make_valid(shapely.Polygon(ring))
    if rng.random() < 0.4:
        hole = shapely.Point(points[rng.integers(0, len(points))]).buffer(size * rng.uniform(0.05, 0.5), 3)
        polygon = polygon.difference(hole)
    return polygon


def matches_areas(
    origin: NDArray[np.bool_], destination: NDArray[np.bool_], match: Match
) -> NDArray[np.bool_]:
    """Which trips match, from which ends lie in an area."""
    if match == "both":
        return origin & destination
    if match == "any":
        return origin | destination
    return origin if match == "origin" else destination
