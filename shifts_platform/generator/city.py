"""The cities in which trips are generated, and their scale from metres to millionths of a degree."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MICRODEGREES_PER_METRE = 1e6 / 111_195
"""Along a meridian of the sphere of 6,371 km."""


@dataclass(frozen=True)
class City:
    """Position and extent of a city, and its share of the trips."""

    name: str
    lon: float
    lat: float
    reach_m: float
    """Standard deviation of its homes around the centre, on each axis."""
    weight: float
    """Relative to the weights of the other cities."""

    @property
    def centre(self) -> NDArray[np.int64]:
        """Longitude and latitude in millionths of a degree; shape (2,)."""
        return np.rint(np.array([self.lon, self.lat]) * 1e6).astype(np.int64)

    @property
    def per_metre(self) -> NDArray[np.float64]:
        """Millionths of a degree per metre east and per metre north; shape (2,)."""
        # Rounded: the last bit of a cosine depends on the machine, and the trips must not.
        cosine = round(math.cos(math.radians(self.lat)), 6)
        return np.array([_MICRODEGREES_PER_METRE / cosine, _MICRODEGREES_PER_METRE])


DEFAULT_CITIES = (
    City("Hamburg", 10.0006, 53.5503, reach_m=7_000, weight=9),
    City("Prague", 14.4213, 50.0875, reach_m=5_500, weight=6),
    City("Turin", 7.6869, 45.0703, reach_m=4_500, weight=5),
)
