"""The trips that each of several shifts serves, as one list, and counts of them."""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray


class Coverage(NamedTuple):
    """Trips of each of k shifts: those of shift j are `trips[starts[j]:starts[j + 1]]`, in rising order.

    Trips are counted shift by shift in compiled loops: there are millions of entries, and an array for each step of a
    computation would take more memory than the trips themselves.
    """

    starts: NDArray[np.int64]
    """(k + 1,)."""
    trips: NDArray[np.int32]

    def where(self, mask: NDArray[np.bool_]) -> "Coverage":
        """Return the entries of a mask, of the shape of `trips`."""
        return Coverage(_starts_of(self.starts, mask), self.trips[mask])

    def take(self, shifts: NDArray[np.int64]) -> "Coverage":
        """Return some shifts in the given order."""
        starts = np.concatenate([[0], np.cumsum(np.diff(self.starts)[shifts])])
        return Coverage(starts, _gather(self.starts, self.trips, shifts, starts))

    def count_by(self, group_of: NDArray[np.integer[Any]], groups: int) -> NDArray[np.int64]:
        """Return how many trips of each group a shift has, shape (k, groups).

        Args:
            group_of: shape (n,): group of each trip.
            groups: number of groups.
        """
        counts: NDArray[np.int64] = _count_by(self.starts, self.trips, group_of, groups)
        return counts


def on_weekdays(
    coverage: Coverage, trip_weekdays: NDArray[np.integer[Any]], runs_on: NDArray[np.bool_]
) -> Coverage:
    """Return the trips that start on a weekday of their shift.

    Args:
        coverage: trips of k shifts.
        trip_weekdays: shape (n,): weekday of each trip, 0 on Mondays.
        runs_on: shape (k, 7): weekdays of each shift.
    """
    return coverage.where(_is_on_weekday(coverage.starts, coverage.trips, trip_weekdays, runs_on))


@numba.njit(cache=True, nogil=True)
def _starts_of(starts, mask):  # type: ignore[no-untyped-def]
    """Return where each shift begins among the entries of a mask."""
    found = np.zeros_like(starts)
    for shift in range(len(starts) - 1):
        found[shift + 1] = found[shift]
        for at in range(starts[shift], starts[shift + 1]):
            found[shift + 1] += mask[at]
    return found


@numba.njit(cache=True, nogil=True)
def _gather(starts, trips, shifts, new_starts):  # type: ignore[no-untyped-def]
    found = np.empty(new_starts[-1], trips.dtype)
    for place, shift in enumerate(shifts):
        found[new_starts[place] : new_starts[place + 1]] = trips[starts[shift] : starts[shift + 1]]
    return found


@numba.njit(cache=True, nogil=True)
def _count_by(starts, trips, group_of, groups):  # type: ignore[no-untyped-def]
    counts = np.zeros((len(starts) - 1, groups), np.int64)
    for shift in range(len(starts) - 1):
        for at in range(starts[shift], starts[shift + 1]):
            counts[shift, group_of[trips[at]]] += 1
    return counts


@numba.njit(cache=True, nogil=True)
def _is_on_weekday(starts, trips, trip_weekdays, runs_on):  # type: ignore[no-untyped-def]
    found = np.empty(len(trips), np.bool_)
    for shift in range(len(starts) - 1):
        for at in range(starts[shift], starts[shift + 1]):
            found[at] = runs_on[shift, trip_weekdays[trips[at]]]
    return found
