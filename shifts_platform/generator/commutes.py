"""Standing commutes: planted groups of trips that persist from week to week, drift, pause, begin and end."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.city import City
from shifts_platform.generator.scenario import Flows, city_flows
from shifts_platform.generator.weighted_sampler import lookup_table, sample_entries

TRUTH_HEADER = (
    "commute,region,week,weekdays,departs,trips,origin_lon,origin_lat,destination_lon,destination_lat\n"
)
_WEEKDAYS = np.array(
    [
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [0, 1, 0, 1, 0, 0, 0],
        [1, 0, 1, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 1],
    ],
    np.bool_,
)
_WEEKDAYS_TABLE = lookup_table(np.array([50, 15, 10, 10, 5, 10.0]))
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RIDERS = (0.7, 1.5)
"""Riders of a departure, relative to each other."""
_DRIFT_S = 90.0
"""Standard deviation of the change of a commute's time from week to week."""
_PAUSE_SHARE = 0.03
"""Share of weeks in which a commute pauses."""
_WEEKS_PER_HOLIDAY = 8
"""All commutes of a city pause on one working day in so many weeks."""


class Commutes(NamedTuple):
    """The standing commutes of all cities."""

    flows: Flows
    """One a commute, as for flows; its time is that of the first week."""
    runs: NDArray[np.bool_]
    """(f, weeks, 7): days on which each one departs."""
    weekdays: NDArray[np.bool_]
    """(f, 7): weekdays on which it departs while it stands."""
    departures: NDArray[np.int64]
    """(f, weeks): mean second of the day."""
    bounds: NDArray[np.int64]
    """(f * weeks * 7,): index after the last trip of each commute and day."""


def build_commutes(
    cities: tuple[City, ...], seed: int, weeks: int, count: int, churn: float, trips: int
) -> Commutes:
    """Return commutes of which `count` stand in each week; that share of them ends each week and as many begin.

    Raises:
        ValueError: an argument is out of range, or the cities have no room for so many distinct commutes.
    """
    if count < 1 or not 0 <= churn <= 1:
        raise ValueError("the number of commutes must be at least 1, and churn between 0 and 1")
    shares = np.array([city.weight for city in cities]).cumsum()
    numbers = np.diff(np.rint(shares / shares[-1] * count).astype(np.int64), prepend=0)
    parts = [
        _commutes_of_city(city, number, seed, weeks, int(numbers[number]), churn)
        for number, city in enumerate(cities)
        if numbers[number]
    ]
    flows = Flows(
        np.concatenate([part[0].od_coords for part in parts]),
        np.concatenate([part[0].spreads for part in parts]),
        np.concatenate([part[0].departures for part in parts]),
        np.concatenate([part[0].cities for part in parts]),
        np.concatenate([part[0].weights for part in parts]),
    )
    runs = np.concatenate([part[1] for part in parts])
    weekdays = np.concatenate([part[2] for part in parts])
    departures = np.concatenate([part[3] for part in parts])
    weights = np.concatenate([part[4] for part in parts])
    expected = runs * weights[:, None, None]
    # Riders of a departure vary as a Poisson variable does, about.
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(4,))))
    mean = expected * (trips / max(expected.ravel().cumsum()[-1], 1e-9))
    varied = np.maximum(mean + np.sqrt(mean) * rng.standard_normal(mean.shape), 0).ravel().cumsum()
    bounds = np.rint(varied / max(varied[-1], 1e-9) * trips).astype(np.int64)
    return Commutes(flows, runs, weekdays, departures, bounds)


def _commutes_of_city(
    city: City, number: int, seed: int, weeks: int, count: int, churn: float
) -> tuple[Flows, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    """Return the flows of a city, when they run, their weekdays, times by week, and riders."""
    changes = round(count * churn)
    in_all = count + (weeks - 1) * changes
    flows = city_flows(city, number, seed, -(-in_all // 2))
    if len(flows.cities) < in_all:
        raise ValueError(
            f"{city.name} has room for {len(flows.cities)} distinct commutes, {in_all} are needed in all weeks"
        )
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(3, number))))
    flows = Flows(
        flows.od_coords[:in_all],
        flows.spreads[:in_all],
        flows.departures[:in_all],
        flows.cities[:in_all],
        flows.weights[:in_all],
    )
    stands = np.zeros((in_all, weeks), np.bool_)
    standing = np.arange(count)
    for week in range(weeks):
        if week:
            begin = count + (week - 1) * changes
            standing = np.concatenate([rng.permutation(standing)[changes:], begin + np.arange(changes)])
        stands[standing, week] = True
    pauses = rng.random((in_all, weeks)) < _PAUSE_SHARE
    weekdays = _WEEKDAYS[_WEEKDAYS_TABLE[sample_entries(rng, in_all)]]
    holidays = np.zeros((weeks, 7), np.bool_)
    for first in range(0, weeks, _WEEKS_PER_HOLIDAY):
        week = first + int(rng.integers(0, _WEEKS_PER_HOLIDAY))
        if week < weeks:
            holidays[week, rng.integers(0, 5)] = True
    runs = (stands & ~pauses)[:, :, None] & weekdays[:, None, :] & ~holidays
    drift = np.rint(rng.standard_normal((in_all, weeks)) * _DRIFT_S).astype(np.int64)
    return (
        flows,
        runs,
        weekdays,
        flows.departures[:, None] + drift.cumsum(axis=1),
        rng.uniform(*_RIDERS, in_all),
    )


def truth_lines(commutes: Commutes, cities: tuple[City, ...], first_week: date) -> Iterator[str]:
    """Yield a CSV line for each commute and week in which it has trips, header first."""
    yield TRUTH_HEADER
    trips = np.diff(commutes.bounds, prepend=0).reshape(commutes.runs.shape).sum(axis=2)
    for number, week in np.argwhere(trips).tolist():
        names = "+".join(name for name, runs in zip(_NAMES, commutes.weekdays[number], strict=True) if runs)
        monday = first_week + timedelta(weeks=week)
        minute = int(commutes.departures[number, week]) // 60
        places = ",".join(f"{micro / 1e6:.6f}" for micro in commutes.flows.od_coords[number].tolist())
        yield (
            f"{number},{cities[commutes.flows.cities[number]].name},{monday:%G-W%V},{names},"
            f"{minute // 60:02d}:{minute % 60:02d},{trips[number, week]},{places}\n"
        )
