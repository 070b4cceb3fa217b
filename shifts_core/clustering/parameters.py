"""Clustering parameters: the only place that states their defaults and valid ranges."""

from math import isfinite
from operator import index

DEFAULT_EPS_M = 500.0
DEFAULT_MIN_TRIPS = 5
DEFAULT_MAX_RADIUS_M = 500.0
DEFAULT_WINDOW_MINUTES = 60
MAX_WINDOW_MINUTES = 12 * 60
"""With a longer window it is undefined which of two times of day is the earlier one."""


def check_parameters(eps_m: float, min_trips: int, max_radius_m: float, window_s: float) -> None:
    """Check the parameters of `TripClusterer`, which documents them.

    Raises:
        TypeError: `min_trips` is not an integer.
        ValueError: a parameter is out of range.
    """
    for name, metres in (("eps_m", eps_m), ("max_radius_m", max_radius_m)):
        if not (isfinite(metres) and metres > 0):
            raise ValueError(f"{name} must be more than 0 metres, got {metres!r}")
    if index(min_trips) < 1:
        raise ValueError(f"min_trips must be at least 1, got {min_trips!r}")
    if not 0 < window_s <= 60 * MAX_WINDOW_MINUTES:
        raise ValueError(
            f"window_s must be more than 0 and at most {MAX_WINDOW_MINUTES // 60} hours, got {window_s!r}"
        )
