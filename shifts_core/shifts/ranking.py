"""Ranks shifts by what they add: greedy maximum coverage, a trip counting once.

G. Nemhauser, L. Wolsey, M. Fisher, "An analysis of approximations for maximizing submodular set functions", 1978:
the first K cover at least 1 - 1/e of the trips that any K cover. M. Minoux, "Accelerated greedy algorithms for
maximizing submodular set functions", 1978: lazy evaluation gives the same ranks, because gains only fall.
"""

import heapq

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.shifts.coverage import Coverage

NO_SHIFT = -1


def rank_by_gain(coverage: Coverage, n_trips: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank shifts so that each one adds the most trips that no earlier one covers.

    Args:
        coverage: trips of k shifts, which are in an order that depends on content only: of several with the same
            gain the first is taken.
        n_trips: number of trips.

    Returns:
        Shifts in order of rank, without those that add nothing; and the gain of each.
    """
    shifts, gains = _lazy_greedy(coverage.starts, coverage.trips, np.zeros(n_trips, np.bool_))
    return shifts, gains


def assign_trips(coverage: Coverage, n_trips: int) -> NDArray[np.int32]:
    """Return the first shift that covers each trip, shape (n,); NO_SHIFT for trips that none covers."""
    assigned: NDArray[np.int32]
    assigned, _ = _assign(coverage.starts, coverage.trips, n_trips)
    return assigned


def served_alone(coverage: Coverage, n_trips: int) -> Coverage:
    """Return for each shift the trips that no better one covers."""
    _, is_first = _assign(coverage.starts, coverage.trips, n_trips)
    return coverage.where(is_first)


@numba.njit(cache=True, nogil=True)
def _assign(starts, trips, n_trips):  # type: ignore[no-untyped-def]
    """Return the first shift of each trip, and which entries of `trips` are the first ones."""
    assigned = np.full(n_trips, NO_SHIFT, np.int32)
    is_first = np.zeros(len(trips), np.bool_)
    for shift in range(len(starts) - 1):
        for at in range(starts[shift], starts[shift + 1]):
            if assigned[trips[at]] == NO_SHIFT:
                assigned[trips[at]] = shift
                is_first[at] = True
    return assigned, is_first


@numba.njit(cache=True, nogil=True)
def _lazy_greedy(starts, trips, is_covered):  # type: ignore[no-untyped-def]
    shifts = len(starts) - 1
    ranked, gains = np.empty(shifts, np.int64), np.empty(shifts, np.int64)
    queue = [(starts[shift] - starts[shift + 1], shift) for shift in range(shifts)]
    heapq.heapify(queue)
    rank = 0
    while queue:
        negative_bound, shift = heapq.heappop(queue)
        gain = 0
        for at in range(starts[shift], starts[shift + 1]):
            gain += not is_covered[trips[at]]
        if gain == 0:
            continue
        if gain < -negative_bound:
            heapq.heappush(queue, (-gain, shift))
            continue
        for at in range(starts[shift], starts[shift + 1]):
            is_covered[trips[at]] = True
        ranked[rank], gains[rank] = shift, gain
        rank += 1
    return ranked[:rank], gains[:rank]
