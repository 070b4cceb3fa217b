"""Random trips of every kind that tiles store differently."""

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import Tile
from shifts_core.time_filter import MINUTES_OF_WEEK

KINDS = ("doubles", "decimals", "stacked", "grid", "mixed", "antimeridian", "zero")


def random_trips(rng: np.random.Generator, trips: int, kind: str) -> NDArray[np.float64]:
    """Origin lon, lat, destination lon, lat in degrees; shape (trips, 4)."""
    centre = rng.uniform([-170, -80, -170, -80], [170, 80, 170, 80])
    if kind == "doubles":
        return rng.normal(centre, 0.1, (trips, 4))
    if kind == "decimals":
        return np.round(rng.normal(centre, 0.1, (trips, 4)), int(rng.integers(3, 9)))
    if kind == "stacked":
        return rng.normal(centre, 0.1, (7, 4))[rng.integers(0, 7, trips)]
    if kind == "grid":
        return np.round(centre) + rng.integers(-2, 3, (trips, 4)) / 4
    if kind == "mixed":
        ends = np.round(rng.normal(centre, 0.1, (trips, 4)), 6)
        odd = rng.random(trips) < 0.01
        ends[odd] = rng.normal(centre, 0.1, (int(odd.sum()), 4))
        return ends
    if kind == "antimeridian":
        ends = rng.normal([180, 0, 180, 0], 0.2, (trips, 4))
        ends[:, ::2] = (ends[:, ::2] + 180) % 360 - 180
        ends[rng.random(trips) < 0.05, 0] = 180.0
        ends[rng.random(trips) < 0.05, 2] = -180.0
        return ends
    # Around zero, where float64 values are dense and signs change.
    ends = rng.normal(0, 1, (trips, 4)) * 10.0 ** rng.integers(-12, 0, (trips, 4))
    ends[rng.random((trips, 4)) < 0.05] = -0.0
    return ends


def any_minutes(ends: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Minutes of the week of trips, the same for equal numbers of trips; shape (trips,)."""
    return np.random.default_rng(len(ends)).integers(0, MINUTES_OF_WEEK, len(ends), np.uint16)


def tiles_of(ends: NDArray[np.float64]) -> list[Tile]:
    """The tiles of trips that start in `any_minutes`."""
    return list(build_tiles(ends.copy(), any_minutes(ends)))
