"""Degrees to metres: a local plane to search in, and the distances that a guarantee is given in."""

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_M = 6_371_008.7714
"""Mean radius, (2a + b) / 3 of WGS 84, as PostGIS' ST_DistanceSphere uses it."""

_HALF_TURN_M = np.pi * EARTH_RADIUS_M


def to_plane(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Both ends of trips in metres east and north of the trips' middle; shape (n, 4).

    Equirectangular, true to scale along the median latitude: 0.5 % off at 20 km north or south of it, so what
    must hold on the ground is checked with `distances_m`.

    Args:
        ends: shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees.
    """
    if not len(ends):
        return np.empty((0, 4))
    middle = _middle(ends)
    shrink = max(np.cos(np.radians(middle[1])), 0.01)
    offsets = ends - np.tile(middle, 2)
    offsets[:, ::2] = (offsets[:, ::2] + 180) % 360 - 180
    metres: NDArray[np.float64] = offsets * (_HALF_TURN_M / 180) * np.array([shrink, 1.0, shrink, 1.0])
    return metres


def distances_m(
    lon_a: NDArray[np.float64],
    lat_a: NDArray[np.float64],
    lon_b: NDArray[np.float64],
    lat_b: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Great-circle distances by the haversine formula; degrees in, metres out, shapes broadcast."""
    south, north = np.radians(lat_a), np.radians(lat_b)
    across = np.sin((north - south) / 2) ** 2
    along = np.sin(np.radians(lon_b - lon_a) / 2) ** 2
    angles: NDArray[np.float64] = 2 * np.arcsin(np.sqrt(across + np.cos(south) * np.cos(north) * along))
    return EARTH_RADIUS_M * angles


def unwrapped(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same ends with longitudes beyond ±180 where a region lies across the antimeridian, so that means are
    right; shape (n, 4)."""
    around = np.array(ends, np.float64)
    if len(ends):
        middle = _middle(ends)[0]
        around[:, ::2] = middle + (ends[:, ::2] - middle + 180) % 360 - 180
    return around


def _middle(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitude and latitude in the midst of all ends."""
    longitudes = np.radians(ends[:, ::2])
    # The direction of the mean is safe at the antimeridian, where a median of numbers is not.
    around = np.degrees(np.arctan2(np.sin(longitudes).sum(), np.cos(longitudes).sum()))
    return np.array([around, np.median(ends[:, 1::2])])
