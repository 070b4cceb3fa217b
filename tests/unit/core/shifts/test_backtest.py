"""Backtests: figures against plain counting, and nothing of the tested week in the shifts."""

import numpy as np
import pytest

from shifts_core.shifts.backtest import Plan, fit_week, plan_from_history, plan_of_clusters
from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.parameters import ShiftParameters
from tests.unit.core.clustering.scenarios import great_circle_m
from tests.unit.core.shifts.scenarios import FIRST_WEEK, random_commutes, town

TESTED = FIRST_WEEK + 4
PARAMETERS = ShiftParameters()


@pytest.fixture(scope="module")
def trips() -> TripHistory:
    return town(random_commutes(11, 50, 5), 30_000, 5)


def test_nothing_of_the_tested_week_or_later_changes_the_plan(trips: TripHistory) -> None:
    plan = plan_from_history(trips, TESTED, 4, PARAMETERS)
    assert len(plan.places) >= 40
    past = trips.between(FIRST_WEEK, TESTED - 1)
    for known in (past, both(past, town(random_commutes(12, 80, 3), 9_000, 3, seed=5), 4)):
        again = plan_from_history(known, TESTED, 4, PARAMETERS)
        for name, values in vars(again).items():
            assert values.tobytes() == getattr(plan, name).tobytes(), name


def both(one: TripHistory, other: TripHistory, weeks_later: int) -> TripHistory:
    history, _ = TripHistory.of(
        np.concatenate([one.od_coords, other.od_coords]),
        np.concatenate([one.times_s, other.times_s]),
        np.concatenate([one.days, other.days + 7 * weeks_later]),
    )
    return history


def test_figures_are_those_of_plain_counting(trips: TripHistory) -> None:
    plan = plan_from_history(trips, TESTED, 4, PARAMETERS)
    week = trips.between(TESTED, TESTED)
    fits = fit_week("shifts", plan, trips, TESTED, PARAMETERS, (5, 20, 1_000))
    taken = np.zeros(len(week), np.bool_)
    riders, expected, within = [], [], []
    for shift in range(len(plan.places)):
        place = np.repeat(plan.places[[shift]], len(week), axis=0)
        own = great_circle_m(place[:, :2], week.od_coords[:, :2]) <= 500
        own &= great_circle_m(place[:, 2:], week.od_coords[:, 2:]) <= 500
        own &= (plan.windows_s[shift, 0] <= week.times_s) & (week.times_s <= plan.windows_s[shift, 1])
        own &= plan.runs_on[shift][week.days % 7] & ~taken
        taken |= own
        for weekday in np.flatnonzero(plan.runs_on[shift]).tolist():
            riders.append(int((own & (week.days % 7 == weekday)).sum()))
            expected.append(float(plan.riders[shift]))
            within.append(plan.riders_low[shift] <= riders[-1] <= plan.riders_high[shift])
        for fit in fits:
            if shift + 1 == min(fit.first, len(plan.places)):
                difference = np.array(expected) - riders
                assert fit.covered == pytest.approx(taken.mean())
                assert fit.departures == len(riders)
                assert fit.enough == pytest.approx(np.mean(np.array(riders) >= 3))
                assert fit.error == pytest.approx(np.abs(difference).mean())
                assert fit.bias == pytest.approx(difference.mean())
                assert fit.within == pytest.approx(np.mean(within))
    assert fits[-1].shifts == len(plan.places) < 1_000
    assert fits[-1].covered > 0.05


def test_clusters_run_on_all_weekdays_and_across_midnight_largest_first() -> None:
    coords = np.array([[7.0, 45.0, 8.0, 45.0], [7.5, 45.0, 8.5, 45.0]])
    plan = plan_of_clusters(coords, np.array([0.0, 84_600.0]), np.array([600.0, 1_800.0]), np.array([7, 14]))
    assert plan.riders.tolist() == [2.0, 1.0]
    trips, _ = TripHistory.of(
        np.repeat(coords[[1]], 4, axis=0),
        np.array([84_599.0, 84_600.0, 1_800.0, 1_801.0]),
        np.full(4, 7 * TESTED),
    )
    fit = fit_week("clusters", plan, trips, TESTED, PARAMETERS, (1,))[0]
    assert (fit.covered, fit.departures, fit.enough) == (0.5, 1, 0.0)
    assert np.isnan(fit.within)


def test_days_without_data_have_no_departures() -> None:
    runs_on = np.ones((1, 7), np.bool_)
    coords = np.array([[7.0, 45.0, 8.0, 45.0]])
    plan = Plan(coords, np.array([[0.0, 600.0]]), runs_on, np.ones(1), np.ones(1), np.ones(1))
    trips, _ = TripHistory.of(
        np.repeat(coords, 6, axis=0), np.full(6, 60.0), 7 * TESTED + np.array([0, 0, 0, 1, 1, 1])
    )
    fit = fit_week("shifts", plan, trips, TESTED, PARAMETERS, (1,))[0]
    assert (fit.covered, fit.departures, fit.enough, fit.bias) == (1.0, 2, 1.0, -2.0)
