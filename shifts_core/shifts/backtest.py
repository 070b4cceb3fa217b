"""How well shifts fit a week that they were not made from, beside last week's clusters and the week's own ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_core.shifts.coverage import Coverage, on_weekdays
from shifts_core.shifts.history import TripHistory, observed_days
from shifts_core.shifts.making import make_shifts
from shifts_core.shifts.parameters import ShiftParameters
from shifts_core.shifts.ranking import NO_SHIFT, assign_trips, served_alone
from shifts_core.shifts.trip_index import covered_trips, index_trips

FIRST_SHIFTS = (100, 300, 1_000, 3_000)
"""Of how many shifts the share of trips is reported."""


@dataclass(frozen=True)
class Plan:
    """k departures in order of rank, by whatever method."""

    places: NDArray[np.float64]
    """Shape (k, 4), degrees."""
    windows_s: NDArray[np.float64]
    """Shape (k, 2); across midnight if the second is less than the first."""
    runs_on: NDArray[np.bool_]
    """Shape (k, 7)."""
    riders: NDArray[np.float64]
    """Shape (k,): riders expected on a departure."""
    riders_low: NDArray[np.float64]
    riders_high: NDArray[np.float64]
    """Shape (k,): the range of riders to expect; NaN if the method does not state one."""

    def first(self, count: int) -> "Plan":
        """Return the first departures."""
        return Plan(**{name: values[:count] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Fit:
    """How the first shifts of a method fit a week."""

    method: str
    first: int
    """Number of shifts that were asked for."""
    shifts: int
    """Number of shifts of the method, at most `first`."""
    covered: float
    """Share of the week's trips that they serve, a trip counting once."""
    departures: int
    """Departures in the week."""
    enough: float
    """Share of the departures with at least the least number of riders, a trip counting for the first shift that
    serves it; NaN without departures."""
    error: float
    """Mean absolute difference between expected riders and riders of a departure."""
    bias: float
    """Mean of expected riders less riders."""
    within: float
    """Share of the departures whose riders are within the stated range; NaN if the method states none."""


def plan_of_clusters(
    centroids: NDArray[np.float64],
    earliest_s: NDArray[np.float64],
    latest_s: NDArray[np.float64],
    sizes: NDArray[np.int64],
) -> Plan:
    """Return clusters of a week as departures on all weekdays, largest first.

    Args:
        centroids: shape (k, 4), degrees.
        earliest_s: shape (k,), seconds since midnight.
        latest_s: shape (k,); less than `earliest_s` across midnight.
        sizes: shape (k,): trips of the week.
    """
    order = np.lexsort((latest_s, earliest_s, *centroids.T, -sizes))
    windows_s = np.column_stack([earliest_s, latest_s])[order]
    unknown = np.full(len(sizes), np.nan)
    every_day = np.ones((len(sizes), 7), np.bool_)
    return Plan(centroids[order], windows_s, every_day, sizes[order] / 7, unknown, unknown)


def plan_from_history(
    trips: TripHistory,
    week: int,
    weeks: int,
    parameters: ShiftParameters,
    stops: NDArray[np.float64] | None = None,
) -> Plan:
    """Return the shifts made of the weeks before a week; trips of that week and of later ones are not looked at.

    Args:
        trips: trips of the region, of any weeks.
        week: number of the week to test.
        weeks: length of the history before it.
        parameters: radius, window and least number of riders.
        stops: shape (s, 2): places at which vehicles may stop, as `make_shifts` takes them.
    """
    history = trips.between(week - weeks, week - 1)
    shifts = make_shifts(history, week - 1, weeks, parameters, stops).shifts
    low, high = shifts.riders_low.astype(np.float64), shifts.riders_high.astype(np.float64)
    return Plan(shifts.places, shifts.windows_s, shifts.runs_on, shifts.riders, low, high)


def fit_week(
    method: str,
    plan: Plan,
    trips: TripHistory,
    week: int,
    parameters: ShiftParameters,
    first_shifts: Sequence[int] = FIRST_SHIFTS,
) -> list[Fit]:
    """Test a plan on the trips of one week.

    Args:
        method: name of the method that made the plan.
        plan: the departures.
        trips: trips of the region, of any weeks.
        week: number of the week to test on.
        parameters: radius and least number of riders; the radius counts in full, limit included.
        first_shifts: numbers of shifts to report.
    """
    trips = trips.between(week, week)
    served = covered_trips(
        index_trips(trips.od_coords, trips.times_s, parameters.max_radius_m),
        plan.places,
        plan.windows_s,
        parameters.max_radius_m,
    )
    served = on_weekdays(served, trips.weekdays, plan.runs_on)
    riders = _riders_by_weekday(served, trips)
    held = plan.runs_on & observed_days(trips, week, 1)[0]
    first_shift = assign_trips(served, len(trips))
    return [
        _fit(
            method, first, plan.first(first), riders[:first], held[:first], first_shift, parameters.min_riders
        )
        for first in first_shifts
    ]


def _riders_by_weekday(served: Coverage, trips: TripHistory) -> NDArray[np.int64]:
    """Return riders of each shift by weekday, shape (k, 7); a trip rides with the first shift that serves it."""
    return served_alone(served, len(trips)).count_by(trips.weekdays, 7)


def _fit(
    method: str,
    first: int,
    plan: Plan,
    riders: NDArray[np.int64],
    held: NDArray[np.bool_],
    first_shift: NDArray[np.int32],
    min_riders: int,
) -> Fit:
    on_departures = riders[held]
    expected, low, high = (
        np.repeat(values, held.sum(axis=1)) for values in (plan.riders, plan.riders_low, plan.riders_high)
    )
    within = (low <= on_departures) & (on_departures <= high)
    is_covered = (first_shift != NO_SHIFT) & (first_shift < first)
    return Fit(
        method,
        first,
        len(plan.places),
        _mean(is_covered),
        len(on_departures),
        _mean(on_departures >= min_riders),
        _mean(np.abs(expected - on_departures)),
        _mean(expected - on_departures),
        float("nan") if np.isnan(low).any() else _mean(within),
    )


def _mean(values: NDArray[np.bool_] | NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
