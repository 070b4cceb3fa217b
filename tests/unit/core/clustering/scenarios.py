"""Trips for the clustering tests, in metres around a place, and brute-force oracles for distances and neighbours."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

HOUR_S, DAY_S = 3_600.0, 86_400.0
DEGREE_M = 111_195.08
"""A degree of latitude on PostGIS' sphere."""
TURIN = (7.6869, 45.0703)


def to_degrees(metres: NDArray[np.float64], centre: tuple[float, float] = TURIN) -> NDArray[np.float64]:
    """Convert metres east and north of a place, (n, 4) for both ends, to degrees between -180 and 180."""
    lon, lat = centre
    degrees = metres / DEGREE_M
    degrees[:, ::2] /= np.cos(np.radians(lat))
    degrees += [lon, lat, lon, lat]
    degrees[:, ::2] = (degrees[:, ::2] + 180) % 360 - 180
    return degrees


def random_town(seed: int, trips: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return metres (n, 4) and times of day (n,) of trips on a few routes at a few times, some of them scattered."""
    rng = np.random.default_rng(seed)
    routes = rng.uniform(-3_000, 3_000, (rng.integers(1, 9), 4))
    route = rng.integers(0, len(routes), trips)
    spread = rng.choice([0.0, 30.0, 150.0, 500.0, 1_500.0], (trips, 1))
    hours = rng.uniform(0, 24, len(routes)) + rng.normal(0, rng.uniform(0, 1.5), trips)[:, None]
    metres = routes[route] + rng.standard_normal((trips, 4)) * spread
    times = hours[np.arange(trips), route] * HOUR_S % DAY_S
    return metres, np.rint(times) % DAY_S


def time_distance_s(times: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return seconds between times of day, across midnight where that is shorter."""
    same_day = np.abs(times - others)
    return np.minimum(same_day, DAY_S - same_day)


def neighbour_matrix(
    metres: NDArray[np.float64], times: NDArray[np.float64], eps_m: float, eps_s: float
) -> NDArray[np.bool_]:
    """Return (n, n): whether two trips are DBSCAN neighbours, from all pairs of trips."""
    differences = metres[:, None] - metres
    near: NDArray[np.bool_] = (differences * differences).sum(axis=2) <= eps_m * eps_m
    return near & (time_distance_s(times[:, None], times) <= eps_s)


def great_circle_m(degrees: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return metres between points (n, 2) on the sphere, from the angle between their unit vectors."""
    a, b = _unit_vectors(degrees), _unit_vectors(others)
    across = np.linalg.norm(np.cross(a, b), axis=1)
    angles: NDArray[np.float64] = np.arctan2(across, (a * b).sum(axis=1))
    return angles * DEGREE_M * 180 / np.pi


def _unit_vectors(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(degrees).T
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def as_sets(labels: NDArray[np.int64]) -> set[frozenset[int]]:
    """Return the clusters as sets of trips, without their numbers."""
    return {
        frozenset(np.flatnonzero(labels == cluster).tolist()) for cluster in set(labels[labels >= 0].tolist())
    }


def labels_of(labels: NDArray[np.int64], trips: Collection[int]) -> set[int]:
    """Return the distinct labels of some trips."""
    return set(labels[list(trips)].tolist())
