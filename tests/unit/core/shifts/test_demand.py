"""Riders to expect on a departure: negative binomial distributions and their shrinkage."""

import numpy as np
import pytest
from scipy.stats import nbinom

from shifts_core.shifts.demand import Demand, estimate_demand


def test_probabilities_and_quantiles_are_those_of_the_negative_binomial_distribution() -> None:
    rng = np.random.default_rng(1)
    demand = Demand(rng.uniform(0.3, 60, (40, 7)), rng.uniform(0.2, 5, (40, 7)))
    distribution = nbinom(demand.shape, demand.rate / (1 + demand.rate))
    assert demand.mean == pytest.approx(distribution.mean())
    assert demand.chance_of(3) == pytest.approx(distribution.sf(2))
    runs_on = rng.random((40, 7)) < 0.5
    runs_on[:, 0] = True
    for share in (0.1, 0.9):
        quantiles = demand.quantile(share, runs_on)
        for shift, quantile in enumerate(quantiles.tolist()):
            own = nbinom(
                demand.shape[shift, runs_on[shift]], (demand.rate / (1 + demand.rate))[shift, runs_on[shift]]
            )
            assert own.cdf(quantile).mean() >= share
            assert quantile == 0 or own.cdf(quantile - 1).mean() < share


def test_weekdays_that_differ_by_chance_only_get_the_mean_of_the_shift() -> None:
    rng = np.random.default_rng(2)
    rates = rng.uniform(3, 20, 500)
    departures = np.full((500, 7), 4)
    riders = rng.poisson(rates[:, None] * departures)
    demand = estimate_demand(riders, departures)
    assert (
        np.abs(demand.mean - rates[:, None]).mean()
        < 0.6 * np.abs(riders / departures - rates[:, None]).mean()
    )


def test_weekdays_that_differ_keep_their_own_means() -> None:
    riders = np.zeros((100, 7), np.int64)
    riders[np.arange(100), np.arange(100) % 5] = 44
    demand = estimate_demand(riders, np.full((100, 7), 4))
    runs = demand.chance_of(3) >= 0.2
    assert np.array_equal(runs, riders > 0)
    assert demand.mean[riders > 0].min() > 10


def test_a_weekday_without_data_gets_the_mean_of_the_shift() -> None:
    departures = np.full((50, 7), 4)
    departures[:, 6] = 0
    riders = np.random.default_rng(3).poisson(8.0 * departures)
    demand = estimate_demand(riders, departures)
    assert demand.mean[:, 6] == pytest.approx((riders.sum(axis=1) + 0.5) / 24, rel=0.01)
