"""A backtest of one week: shifts from the weeks before, clusters of the last of them and of the week itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from shifts_core.clustering.clusters import find_clusters
from shifts_core.shifts.backtest import Fit, Plan, fit_week, plan_from_history, plan_of_clusters
from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.parameters import ShiftParameters

SHIFTS, LAST_WEEK, HINDSIGHT = "shifts", "last week's clusters", "own clusters in hindsight"
METHODS = (SHIFTS, LAST_WEEK, HINDSIGHT)
"""Names of the methods in the order in which they are tested."""


@dataclass(frozen=True)
class BacktestOptions:
    """How shifts and clusters are made."""

    weeks: int
    """Length of the history before the tested week."""
    shifts: ShiftParameters
    """Radius and time bin are those of the clusters, too."""
    eps_m: float
    min_trips: int


def backtest(trips: TripHistory, week: int, options: BacktestOptions) -> Iterator[list[Fit]]:
    """Test each of `METHODS` on a week; clusters are by size.

    Args:
        trips: trips of the region in this week and in those of the history.
        week: number of the tested week.
        options: length of the history, and how shifts and clusters are made.
    """
    plans = {
        SHIFTS: lambda: plan_from_history(trips, week, options.weeks, options.shifts),
        LAST_WEEK: lambda: _plan_of_week(trips, week - 1, options),
        HINDSIGHT: lambda: _plan_of_week(trips, week, options),
    }
    for method in METHODS:
        yield fit_week(method, plans[method](), trips, week, options.shifts)


def _plan_of_week(trips: TripHistory, week: int, options: BacktestOptions) -> Plan:
    trips = trips.between(week, week)
    clusters = find_clusters(
        trips.od_coords,
        trips.times_s,
        eps_m=options.eps_m,
        min_trips=options.min_trips,
        max_radius_m=options.shifts.max_radius_m,
        window_s=60.0 * options.shifts.window_minutes,
    )
    return plan_of_clusters(clusters.centroids, clusters.earliest_s, clusters.latest_s, clusters.sizes)
