"""Degrees to metres: a local plane for searches, and great-circle distances for what is promised on the ground."""

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_M = 6_371_008.7714
"""Mean radius (2a + b) / 3 of WGS 84, as in PostGIS' ST_DistanceSphere."""

_METRES_PER_DEGREE = np.pi * EARTH_RADIUS_M / 180
_MIN_COSINE = 0.01
"""Of the latitude: within 60 km of the poles the plane is not true to scale from east to west."""


def to_plane(od_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project origins and destinations to metres around the trips' centre, as `project` does; shape (n, 4)."""
    return project(od_coords, find_centre(od_coords)) if len(od_coords) else np.empty((0, 4))


def project(od_coords: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project origins and destinations to metres east and north of a centre; shape (n, 4).

    The projection is equirectangular and true to scale along the centre's latitude. 20 km north or south of it the
    scale is off by 0.5 %, so limits on the ground are checked with `haversine_m`.

    Args:
        od_coords: shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees.
        centre: longitude and latitude, degrees, as `find_centre` returns them.
    """
    cosine = max(np.cos(np.radians(centre[1])), _MIN_COSINE)
    offsets = od_coords - np.tile(centre, 2)
    offsets[:, ::2] = (offsets[:, ::2] + 180) % 360 - 180
    # In place: there may be millions of trips.
    offsets *= _METRES_PER_DEGREE
    offsets *= np.array([cosine, 1.0, cosine, 1.0])
    return offsets


def haversine_m(
    lon_a: NDArray[np.float64],
    lat_a: NDArray[np.float64],
    lon_b: NDArray[np.float64],
    lat_b: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return great-circle distances in metres between points in degrees (haversine formula); shapes broadcast."""
    south, north = np.radians(lat_a), np.radians(lat_b)
    across = np.sin((north - south) / 2) ** 2
    along = np.sin(np.radians(lon_b - lon_a) / 2) ** 2
    angles: NDArray[np.float64] = 2 * np.arcsin(np.sqrt(across + np.cos(south) * np.cos(north) * along))
    return EARTH_RADIUS_M * angles


def unwrap_longitudes(od_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coordinates with longitudes around the trips' centre, shape (n, 4).

    Longitudes go beyond ±180 where the trips cross the antimeridian, so that their means are right.
    """
    unwrapped = np.array(od_coords, np.float64)
    if len(od_coords):
        centre = find_centre(od_coords)[0]
        unwrapped[:, ::2] = centre + (od_coords[:, ::2] - centre + 180) % 360 - 180
    return unwrapped


def find_centre(od_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean longitude and the median latitude of all origins and destinations."""
    longitudes = np.radians(od_coords[:, ::2])
    # The direction of the mean vector is right at the antimeridian, where a median of numbers is not.
    mean = np.degrees(np.arctan2(np.sin(longitudes).sum(), np.cos(longitudes).sum()))
    return np.array([mean, np.median(od_coords[:, 1::2])])
