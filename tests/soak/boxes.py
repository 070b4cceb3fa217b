"""Boxes and the trips in them, counted one by one: the expectation for every statistic."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tests.soak.contents import Trips

Match = Literal["both", "origin", "destination", "any"]
MATCHES: tuple[Match, ...] = ("both", "origin", "destination", "any")


@dataclass(frozen=True)
class Box:
    """A closed box in degrees."""

    west: float
    south: float
    east: float
    north: float

    @property
    def text(self) -> str:
        """The API's `bbox` parameter."""
        return f"{self.west!r},{self.south!r},{self.east!r},{self.north!r}"


WORLD = Box(-180.0, -90.0, 180.0, 90.0)


def weekly_counts(trips: Trips, box: Box, match: Match) -> Counter[int]:
    """Trips in a box by week of `Trips.weeks`; weeks without trips are left out."""
    origin, destination = _inside(trips.points[:, :2], box), _inside(trips.points[:, 2:], box)
    chosen = {
        "both": origin & destination,
        "any": origin | destination,
        "origin": origin,
        "destination": destination,
    }[match]
    weeks, counts = np.unique(trips.weeks[chosen], return_counts=True)
    return Counter(dict(zip(weeks.tolist(), counts.tolist(), strict=True)))


def random_box(rng: random.Random, trips: Trips) -> Box:
    """The whole world, or a box whose corners are ends of trips, which lie on its border and count as inside."""
    if len(trips) == 0 or rng.random() < 0.2:
        return WORLD
    corners = [trips.points[rng.randrange(len(trips))] for _ in range(2)]
    lons = sorted(float(corner[rng.choice((0, 2))]) for corner in corners)
    lats = sorted(float(corner[rng.choice((1, 3))]) for corner in corners)
    return Box(lons[0], lats[0], lons[1], lats[1])


def _inside(points: NDArray[np.float64], box: Box) -> NDArray[np.bool_]:
    lon, lat = points[:, 0], points[:, 1]
    return (lon >= box.west) & (lon <= box.east) & (lat >= box.south) & (lat <= box.north)
