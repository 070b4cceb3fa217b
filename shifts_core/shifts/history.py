"""The trips of a region over some weeks, in an order that depends on their content only."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0


@dataclass(frozen=True)
class TripHistory:
    """n trips of one region, sorted by start and coordinates: the order in which they were loaded does not matter."""

    od_coords: NDArray[np.float64]
    """Shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees."""
    times_s: NDArray[np.float64]
    """Shape (n,): time of day, seconds since midnight, 0 <= t < 86400."""
    days: NDArray[np.int32]
    """Shape (n,): days since `calendar.FIRST_MONDAY`; `days % 7` is the weekday, 0 on Mondays."""

    @classmethod
    def of(
        cls, od_coords: NDArray[np.float64], times_s: NDArray[np.float64], days: NDArray[np.integer[Any]]
    ) -> tuple["TripHistory", NDArray[np.int64]]:
        """Sort trips.

        Returns:
            The history, and for each of its trips the row in the arguments, shape (n,).
        """
        order = np.lexsort((*od_coords.T[::-1], times_s, days))
        return cls(od_coords[order], times_s[order], days[order].astype(np.int32)), order

    def __len__(self) -> int:
        return len(self.days)

    @property
    def weekdays(self) -> NDArray[np.int8]:
        """Weekday of each trip, 0 on Mondays; shape (n,)."""
        return (self.days % 7).astype(np.int8)

    def between(self, first: int, last: int) -> "TripHistory":
        """Return the trips of the weeks from one week number to another, both included."""
        start, stop = np.searchsorted(self.days, [7 * first, 7 * last + 7])
        return TripHistory(self.od_coords[start:stop], self.times_s[start:stop], self.days[start:stop])


def observed_days(history: TripHistory, first_week: int, weeks: int) -> NDArray[np.bool_]:
    """Return whether the region has any trip on each day, shape (weeks, 7), from week number `first_week` on.

    Other days have no data, as before the first file, so they say nothing about the riders of a shift.
    """
    observed = np.zeros(7 * weeks, np.bool_)
    observed[np.unique(history.days) - 7 * first_week] = True
    return observed.reshape(weeks, 7)
