"""Standing commutes and scattered trips of a town over some weeks, and brute-force oracles for shifts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.making import Shifts
from tests.unit.core.clustering.scenarios import TURIN, great_circle_m, to_degrees

FIRST_WEEK = 2_526
MINUTE_S = 60.0


@dataclass(frozen=True)
class Commute:
    """People who go from one place to another at about the same time on some weekdays."""

    metres: tuple[float, float, float, float]
    minute: float
    weekdays: tuple[int, ...]
    riders: int
    weeks: range


def town(
    commutes: list[Commute], scattered: int, weeks: int, seed: int = 0, centre: tuple[float, float] = TURIN
) -> TripHistory:
    """Return trips of commutes, within about 100 m and 10 minutes, and trips scattered over 20 km and all hours."""
    rng = np.random.default_rng(seed)
    metres, times_s, days = [], [], []
    for commute in commutes:
        dates = [7 * week + weekday for week in commute.weeks for weekday in commute.weekdays]
        own = np.repeat(dates, commute.riders)
        days.append(own)
        metres.append(np.array(commute.metres) + rng.normal(0, 50, (len(own), 4)))
        times_s.append(MINUTE_S * commute.minute + rng.uniform(-600, 600, len(own)))
    days.append(rng.integers(0, 7 * weeks, scattered))
    metres.append(rng.uniform(-10_000, 10_000, (scattered, 4)))
    times_s.append(rng.uniform(0, 86_400, scattered))
    history, _ = TripHistory.of(
        to_degrees(np.concatenate(metres), centre),
        np.clip(np.rint(np.concatenate(times_s)), 0, 86_399),
        7 * FIRST_WEEK + np.concatenate(days).astype(np.int64),
    )
    return history


def random_commutes(seed: int, count: int, weeks: int) -> list[Commute]:
    """Return commutes at random places and times, on one to five weekdays."""
    rng = np.random.default_rng(seed)
    return [
        Commute(
            tuple(rng.uniform(-10_000, 10_000, 4)),
            float(rng.integers(60, 1_380)),
            tuple(sorted(rng.choice(7, rng.integers(1, 6), replace=False).tolist())),
            int(rng.integers(5, 15)),
            range(weeks),
        )
        for _ in range(count)
    ]


def is_served(history: TripHistory, shifts: Shifts, shift: int, radius_m: float) -> NDArray[np.bool_]:
    """Return whether a shift serves each trip, from all trips; shape (n,)."""
    place = np.repeat(shifts.places[[shift]], len(history), axis=0)
    near = great_circle_m(place[:, :2], history.od_coords[:, :2]) <= radius_m
    near &= great_circle_m(place[:, 2:], history.od_coords[:, 2:]) <= radius_m
    earliest, latest = shifts.windows_s[shift]
    in_window = (earliest <= history.times_s) & (history.times_s <= latest)
    served: NDArray[np.bool_] = near & in_window & shifts.runs_on[shift][history.days % 7]
    return served
