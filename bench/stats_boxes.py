"""Random boxes where trips are, by the share of a region's trips that they contain."""

from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

_SAMPLE = 100_000


@dataclass(frozen=True)
class BoxQuery:
    """A box of a region."""

    region: str
    region_id: int
    west: float
    south: float
    east: float
    north: float
    share: float
    """Share of the region's trips with both ends in the box, estimated from a sample."""

    @property
    def bbox(self) -> str:
        """The API's parameter `bbox`."""
        return f"{self.west!r},{self.south!r},{self.east!r},{self.north!r}"


def random_boxes(url: str, count: int, seed: int, largest: float = 1.0) -> list[BoxQuery]:
    """Boxes whose shares are distributed evenly over the orders of magnitude from 0.01 % to `largest`."""
    with psycopg.connect(url) as connection:
        regions = connection.execute("SELECT region_id, name FROM shifts_store.regions ORDER BY 1").fetchall()
    samples = {(region_id, name): sample_trips(url, region_id) for region_id, name in regions}
    return boxes_around(samples, count, seed, largest)


def boxes_around(
    samples: dict[tuple[int, str], NDArray[np.float64]], count: int, seed: int, largest: float = 1.0
) -> list[BoxQuery]:
    """The same, with a sample of trips for each region's id and name; shape (n, 4), degrees."""
    rng = np.random.default_rng(seed)
    regions = list(samples)
    found = []
    for number in range(count):
        region_id, region = regions[number % len(regions)]
        share = float(10 ** rng.uniform(-4, np.log10(largest)))
        found.append(_box(region, region_id, samples[region_id, region], share, rng))
    return found


def sample_trips(url: str, region_id: int) -> NDArray[np.float64]:
    """A sample of a region's trips; shape (n, 4), degrees."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination)"
            " FROM shifts_store.trips TABLESAMPLE SYSTEM (least(100, 100.0 * %s / (SELECT sum(trips)"
            " FROM shifts_store.file_week_counts WHERE region_id = %s))) REPEATABLE (1)"
            " WHERE region_id = %s LIMIT %s",
            [4 * _SAMPLE, region_id, region_id, _SAMPLE],
        ).fetchall()
    return np.array(rows)


def _box(
    region: str, region_id: int, ends: NDArray[np.float64], share: float, rng: np.random.Generator
) -> BoxQuery:
    """A box with a random aspect ratio around the origin of a random trip."""
    centre = ends[rng.integers(0, len(ends)), :2]
    stretch = np.exp(rng.normal(0, 0.4)) * np.array([1.5, 1.0])
    # The size, as a multiple of `stretch`, from which on the box contains each trip.
    reach = (np.abs(ends - np.tile(centre, 2)) / np.tile(stretch, 2)).max(axis=1)
    half = float(np.quantile(reach, share)) * stretch
    west, south = (centre - half).tolist()
    east, north = (centre + half).tolist()
    return BoxQuery(region, region_id, west, max(south, -90.0), east, min(north, 90.0), share)
