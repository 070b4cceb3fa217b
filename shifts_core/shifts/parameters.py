"""Parameters of shifts: the only place that states their defaults and valid ranges."""

from dataclasses import dataclass
from math import isfinite

from shifts_core.clustering.parameters import (
    DEFAULT_MAX_RADIUS_M,
    DEFAULT_WINDOW_MINUTES,
    MAX_WINDOW_MINUTES,
)

DEFAULT_SHIFT_WEEKS = 4
DEFAULT_MIN_RIDERS = 3
MAX_SHIFT_WEEKS = 52
"""A longer history says more about last year than about the weeks to come."""

GROUND_SHARE = 0.995
"""Share of the radius within which a shift counts trips: over such distances sphere and ellipsoid differ by up to the
rest."""


@dataclass(frozen=True)
class ShiftParameters:
    """How wide a shift may be and when a departure is worth driving.

    Raises:
        ValueError: a parameter is out of range.
    """

    max_radius_m: float = DEFAULT_MAX_RADIUS_M
    """Largest great-circle distance from a shift's places to the ends of its trips, metres."""
    window_minutes: int = DEFAULT_WINDOW_MINUTES
    """Largest difference between the earliest and the latest start of a shift's trips."""
    min_riders: int = DEFAULT_MIN_RIDERS
    """Least number of riders of a departure."""

    def __post_init__(self) -> None:
        if not (isfinite(self.max_radius_m) and self.max_radius_m > 0):
            raise ValueError(f"max_radius_m must be more than 0 metres, got {self.max_radius_m!r}")
        if not 1 <= self.window_minutes <= MAX_WINDOW_MINUTES:
            raise ValueError(
                f"window_minutes must be from 1 to {MAX_WINDOW_MINUTES}, got {self.window_minutes!r}"
            )
        if self.min_riders < 1:
            raise ValueError(f"min_riders must be at least 1, got {self.min_riders!r}")
