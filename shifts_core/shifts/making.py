"""Makes the shifts of a region from the trips of some weeks: candidates, weekdays, rank, riders."""

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.shifts.candidates import find_candidates, places_and_windows
from shifts_core.shifts.climb import reach_of
from shifts_core.shifts.coverage import Coverage, on_weekdays
from shifts_core.shifts.demand import Demand, estimate_demand
from shifts_core.shifts.history import TripHistory, observed_days
from shifts_core.shifts.parameters import GROUND_SHARE, ShiftParameters
from shifts_core.shifts.places import move_to_stops
from shifts_core.shifts.ranking import NO_SHIFT, assign_trips, rank_by_gain, served_alone
from shifts_core.shifts.trip_index import covered_trips, index_trips

_LIKELY = 0.2
"""A shift is regular on a weekday if its next departure has the least number of riders with this probability. With a
higher one fewer departures are nearly empty, and fewer trips are served: docs/shifts.md has the figures."""
_RECENT_WEEKS = 2
"""A shift has stopped if none of its departures in so many weeks had the least number of riders. One such week may be
a holiday."""
_LOW, _HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Shifts:
    """k shifts in order of rank: the first ones serve the most trips of the history, a trip counting once."""

    places: NDArray[np.float64]
    """Shape (k, 4): longitude and latitude of pickup and drop-off, degrees."""
    windows_s: NDArray[np.float64]
    """Shape (k, 2): earliest and latest start of a trip, seconds since midnight; whole minutes, but 23:59:59."""
    departs_s: NDArray[np.float64]
    """Shape (k,): the typical departure, a whole minute."""
    runs_on: NDArray[np.bool_]
    """Shape (k, 7): weekdays, Monday first; at least one."""
    riders: NDArray[np.float64]
    """Shape (k,): riders expected on a departure."""
    riders_low: NDArray[np.int64]
    riders_high: NDArray[np.int64]
    """Shape (k,): 10 and 90 % quantiles of the riders on a departure."""
    regularity: NDArray[np.float64]
    """Shape (k,): share of the departures since `first_week` that had the least number of riders."""
    weeks: NDArray[np.int64]
    """Shape (k,): weeks of the history with such a departure."""
    first_week: NDArray[np.int64]
    """Shape (k,): number of the first of these weeks."""
    last_riders: NDArray[np.int64]
    """Shape (k,): riders in the last week of the history."""
    last_departures: NDArray[np.int64]
    """Shape (k,): departures in that week, on days with data."""
    trips: NDArray[np.int64]
    """Shape (k,): trips of the history that this shift and no better one serves."""

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: NDArray[np.int64]) -> "Shifts":
        """Return some shifts in the given order."""
        return Shifts(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class MadeShifts:
    """Shifts, and which trips of the history each one serves."""

    shifts: Shifts
    assigned: NDArray[np.int32]
    """Shape (n,): the best shift that serves each trip of the history; -1 for trips that none serves."""


@dataclass(frozen=True)
class _Departures:
    """Riders of k shifts on each day of the history."""

    riders: NDArray[np.int64]
    """Shape (k, weeks, 7)."""
    held: NDArray[np.bool_]
    """Shape (k, weeks, 7): days with data, from the first week in which the shift had enough riders on."""

    def regular(self, min_riders: int) -> NDArray[np.bool_]:
        """Return the weekdays on which each shift is regular, shape (k, 7): none if it has stopped."""
        has_stopped = self.riders[:, -_RECENT_WEEKS:].max(axis=(1, 2), initial=0) < min_riders
        regular = self.demand().chance_of(min_riders) >= _LIKELY
        regular[has_stopped] = False
        return regular

    def demand(self, runs_on: NDArray[np.bool_] | None = None) -> Demand:
        """Estimate the riders of departures on some weekdays, shape (k, 7), or on all."""
        held = self.held if runs_on is None else self.held & runs_on[:, None, :]
        return estimate_demand((self.riders * held).sum(axis=1), held.sum(axis=1))


def make_shifts(
    history: TripHistory,
    week: int,
    weeks: int,
    parameters: ShiftParameters,
    stops: NDArray[np.float64] | None = None,
) -> MadeShifts:
    """Make the shifts of a region.

    Every trip that a shift counts is within the radius of its places at both ends, starts within its window, which
    is at most as long as the time bin and ends on the day it starts, and on one of its weekdays. The result depends
    on the trips of these weeks only, not on their order.

    Args:
        history: trips of the region in these weeks.
        week: number of the last week of the history.
        weeks: length of the history.
        parameters: radius, window and least number of riders.
        stops: shape (s, 2): longitude and latitude of the places at which vehicles may stop, degrees. Without any
            within the radius, and if None, they stop at points where trips begin and end.

    Raises:
        ValueError: the history has trips of other weeks.
    """
    first_week = week - weeks + 1
    if len(history) and not (7 * first_week <= history.days[0] and history.days[-1] < 7 * week + 7):
        raise ValueError("the history has trips before its first or after its last week")
    shifts, covered = _candidates(history, parameters, stops)
    if not len(shifts):
        # So in most of tens of thousands of small regions.
        return MadeShifts(shifts, np.full(len(history), NO_SHIFT, np.int32))
    observed = observed_days(history, first_week, weeks)
    departures = _count(covered, history, observed, first_week, parameters.min_riders)
    # Nothing says that it is regular on a weekday without any data.
    runs_on = departures.regular(parameters.min_riders) & observed.any(axis=0)
    shifts, covered = _keep_regular(replace(shifts, runs_on=runs_on), covered, history)
    # A shift that is regular only by trips of better shifts adds departures, but few riders.
    alone = served_alone(covered, len(history))
    departures = _count(alone, history, observed, first_week, parameters.min_riders)
    runs_on = shifts.runs_on & departures.regular(parameters.min_riders)
    shifts, covered = _keep_regular(replace(shifts, runs_on=runs_on), covered, history)
    alone = served_alone(covered, len(history))
    departures = _count(alone, history, observed, first_week, parameters.min_riders)
    shifts = _describe(shifts, alone, departures, history, first_week, parameters)
    return MadeShifts(shifts, assign_trips(alone, len(history)))


def _candidates(
    history: TripHistory, parameters: ShiftParameters, stops: NDArray[np.float64] | None
) -> tuple[Shifts, Coverage]:
    """Return candidates in an order that depends on content only, and the trips that they serve on any weekday."""
    radius_m, window_s = parameters.max_radius_m * GROUND_SHARE, 60.0 * parameters.window_minutes
    index = index_trips(history.od_coords, history.times_s, radius_m)
    found = find_candidates(index, reach_of(radius_m, parameters.window_minutes), parameters.min_riders + 1)
    places, windows_s = places_and_windows(index, found, window_s)
    if stops is not None and len(stops):
        places = move_to_stops(index, places, windows_s, stops, radius_m)
    order = np.lexsort((*places.T, *windows_s.T))
    places, windows_s = places[order], windows_s[order]
    covered = covered_trips(index, places, windows_s, radius_m)
    return _undescribed(places, windows_s), covered


def _undescribed(places: NDArray[np.float64], windows_s: NDArray[np.float64]) -> Shifts:
    count = len(places)
    zeros, counts = np.zeros(count), np.zeros(count, np.int64)
    every_day = np.ones((count, 7), np.bool_)
    return Shifts(
        places,
        windows_s,
        zeros,
        every_day,
        zeros,
        counts,
        counts,
        zeros,
        counts,
        counts,
        counts,
        counts,
        counts,
    )


def _count(
    covered: Coverage, history: TripHistory, observed: NDArray[np.bool_], first_week: int, min_riders: int
) -> _Departures:
    weeks = len(observed)
    riders = covered.count_by(history.days - np.int32(7 * first_week), 7 * weeks).reshape(-1, weeks, 7)
    begun = np.maximum.accumulate((riders >= min_riders).any(axis=2), axis=1)
    return _Departures(riders, begun[:, :, None] & observed)


def _keep_regular(shifts: Shifts, covered: Coverage, history: TripHistory) -> tuple[Shifts, Coverage]:
    """Return the shifts that run on any weekday in order of rank, and the trips that they serve on these."""
    covered = on_weekdays(covered, history.weekdays, shifts.runs_on)
    ranked, gains = rank_by_gain(covered, len(history))
    return replace(shifts.take(ranked), trips=gains), covered.take(ranked)


def _describe(
    shifts: Shifts,
    alone: Coverage,
    departures: _Departures,
    history: TripHistory,
    first_week: int,
    parameters: ShiftParameters,
) -> Shifts:
    """Fill in everything that follows from the departures of the history."""
    runs_on = shifts.runs_on
    demand = departures.demand(runs_on)
    days = np.maximum(runs_on.sum(axis=1), 1)
    held = departures.held & runs_on[:, None, :]
    enough = held & (departures.riders >= parameters.min_riders)
    in_week = enough.any(axis=2)
    departs_s, windows_s = _times(shifts.windows_s, alone, history)
    return replace(
        shifts,
        windows_s=windows_s,
        departs_s=departs_s,
        riders=(demand.mean * runs_on).sum(axis=1) / days,
        riders_low=demand.quantile(_LOW, runs_on),
        riders_high=demand.quantile(_HIGH, runs_on),
        regularity=enough.sum(axis=(1, 2)) / np.maximum(held.sum(axis=(1, 2)), 1),
        weeks=in_week.sum(axis=1),
        first_week=first_week + in_week.argmax(axis=1),
        last_riders=departures.riders[:, -1].sum(axis=1),
        last_departures=held[:, -1].sum(axis=1),
    )


def _times(
    windows_s: NDArray[np.float64], alone: Coverage, history: TripHistory
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the typical departure of each shift, and its window cut to where trips can be expected.

    The earliest and the latest of m trips are on average one m-th of their range inside of the range of all that may
    come (the estimate of a uniform distribution's range by its extremes), so the window goes on by so much.
    """
    sizes = np.diff(alone.starts)
    first, middle, last = _typical_times(alone.starts, alone.trips, history.times_s)
    gap = (last - first) / np.maximum(sizes - 1, 1)
    earliest = np.maximum(60 * np.floor((first - gap) / 60), windows_s[:, 0])
    latest = np.minimum(60 * np.ceil((last + gap) / 60), windows_s[:, 1])
    departs_s = np.maximum(60 * np.floor(middle / 60), earliest)
    return departs_s, np.column_stack([earliest, latest])


@numba.njit(cache=True, nogil=True)
def _typical_times(starts, trips, times_s):  # type: ignore[no-untyped-def]
    """Return the earliest, the median and the latest start of each shift's trips, at least one; each shape (k,)."""
    shifts = len(starts) - 1
    first, middle, last = np.empty(shifts), np.empty(shifts), np.empty(shifts)
    for shift in range(shifts):
        own = np.sort(times_s[trips[starts[shift] : starts[shift + 1]]])
        first[shift], last[shift] = own[0], own[-1]
        middle[shift] = (own[(len(own) - 1) // 2] + own[len(own) // 2]) / 2
    return first, middle, last
