"""Trips for the tests of similarity, in metres around a place, and slow ways to say what is near."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

HOUR_S, DAY_S = 3_600.0, 86_400.0
DEGREE_M = 111_195.08
"""Of latitude, on the sphere that PostGIS measures on."""
TURIN = (7.6869, 45.0703)


def on_the_map(metres: NDArray[np.float64], middle: tuple[float, float] = TURIN) -> NDArray[np.float64]:
    """(n, 4) metres east and north of a place, both ends, as degrees between -180 and 180."""
    lon, lat = middle
    degrees = metres / DEGREE_M
    degrees[:, ::2] /= np.cos(np.radians(lat))
    degrees += [lon, lat, lon, lat]
    degrees[:, ::2] = (degrees[:, ::2] + 180) % 360 - 180
    return degrees


def a_town(seed: int, trips: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Metres (n, 4) and times of day (n,) of trips between a few places at a few times, some of them scattered."""
    rng = np.random.default_rng(seed)
    routes = rng.uniform(-3_000, 3_000, (rng.integers(1, 9), 4))
    route = rng.integers(0, len(routes), trips)
    spread = rng.choice([0.0, 30.0, 150.0, 500.0, 1_500.0], (trips, 1))
    hours = rng.uniform(0, 24, len(routes)) + rng.normal(0, rng.uniform(0, 1.5), trips)[:, None]
    metres = routes[route] + rng.standard_normal((trips, 4)) * spread
    times = hours[np.arange(trips), route] * HOUR_S % DAY_S
    return metres, np.rint(times) % DAY_S


def apart_s(times: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds between times of day, the short way round."""
    straight = np.abs(times - others)
    return np.minimum(straight, DAY_S - straight)


def neighbours(
    metres: NDArray[np.float64], times: NDArray[np.float64], eps_m: float, eps_s: float
) -> NDArray[np.bool_]:
    """(n, n): who is near whom, by looking at all pairs."""
    differences = metres[:, None] - metres
    near: NDArray[np.bool_] = (differences * differences).sum(axis=2) <= eps_m * eps_m
    return near & (apart_s(times[:, None], times) <= eps_s)


def ground_m(degrees: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres between points (n, 2) on the sphere, by the angle between their directions."""
    a, b = _directions(degrees), _directions(others)
    across = np.linalg.norm(np.cross(a, b), axis=1)
    angles: NDArray[np.float64] = np.arctan2(across, (a * b).sum(axis=1))
    return angles * DEGREE_M * 180 / np.pi


def _directions(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(degrees).T
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def as_sets(members: NDArray[np.int64]) -> set[frozenset[int]]:
    """The groups as sets of trips, whatever their numbers."""
    return {
        frozenset(np.flatnonzero(members == group).tolist()) for group in set(members[members >= 0].tolist())
    }


def groups_with(members: NDArray[np.int64], trips: Collection[int]) -> set[int]:
    """Numbers of the groups that trips are in; -1 stands for none."""
    return set(members[list(trips)].tolist())
