"""Riders to expect on a departure, and the weekdays on which a shift is regular: empirical Bayes by weekday.

A shift has few departures on each weekday of a few weeks. Their riders are taken as Poisson around a rate that is
gamma distributed over the weekdays of all shifts; how much weekdays differ is estimated from the shifts themselves.
H. Robbins, "An empirical Bayes approach to statistics", 1956; C. N. Morris, "Parametric empirical Bayes inference",
1983. The riders of a coming departure are then negative binomial.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

_STEADY = 1e6
"""Shape of the gamma distribution when weekdays differ no more than chance."""


@dataclass(frozen=True)
class Demand:
    """Riders of k shifts on a departure of each weekday, as negative binomial distributions."""

    shape: NDArray[np.float64]
    """Shape (k, 7)."""
    rate: NDArray[np.float64]
    """Shape (k, 7): the mean is `shape / rate`."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Expected riders, shape (k, 7)."""
        return self.shape / self.rate

    def chance_of(self, riders: int) -> NDArray[np.float64]:
        """Return the probability of at least so many riders, shape (k, 7)."""
        return 1.0 - self._at_most(np.full(self.shape.shape, riders - 1.0))

    def quantile(self, share: float, runs_on: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the least number of riders that departures do not exceed with probability `share`, shape (k,).

        Args:
            share: probability.
            runs_on: shape (k, 7): weekdays of each shift, each with the same weight.
        """
        low = np.full(len(self.shape), -1)
        high: NDArray[np.int64] = np.ceil(self.mean.max(axis=1, initial=0) * 8 + 40).astype(np.int64)
        days = np.maximum(runs_on.sum(axis=1), 1)
        while (high - low > 1).any():
            half = (low + high) // 2
            at_most = self._at_most(np.repeat(half[:, None], 7, axis=1).astype(np.float64))
            enough = (at_most * runs_on).sum(axis=1) / days >= share
            high[enough] = half[enough]
            low[~enough] = half[~enough]
        return high

    def _at_most(self, riders: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = np.where(
            riders < 0, 0.0, betainc(self.shape, np.maximum(riders, 0) + 1, self.rate / (1 + self.rate))
        )
        return result


def estimate_demand(riders: NDArray[np.int64], departures: NDArray[np.int64]) -> Demand:
    """Estimate the riders of departures from those of the history.

    Args:
        riders: shape (k, 7): riders of each shift on each weekday, all weeks together.
        departures: shape (k, 7): days of that weekday in the history; a weekday with none gets the shift's mean.
    """
    shift_mean = (riders.sum(axis=1) + 0.5) / np.maximum(departures.sum(axis=1), 1)
    mean = np.repeat(shift_mean[:, None], 7, axis=1)
    shape = np.float64(_weekday_shape(riders, departures, mean))
    return Demand(shape + riders, shape / mean + departures)


def _weekday_shape(
    riders: NDArray[np.int64], departures: NDArray[np.int64], mean: NDArray[np.float64]
) -> float:
    """Return the shape of the gamma distribution by the method of moments: small where weekdays differ much."""
    known = departures > 0
    days = np.maximum(departures, 1)
    # One of seven degrees of freedom goes to the mean.
    squares = (riders / days - mean) ** 2 * 7 / 6
    excess = float((squares - mean / days)[known].sum())
    total = float((mean**2)[known].sum())
    return min(total / excess, _STEADY) if excess > 0 else _STEADY
