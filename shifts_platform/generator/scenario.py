"""What repeats in the generated trips: hot spots, and the commuter flows planted between them."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.city import City
from shifts_platform.generator.weighted_sampler import draw, tickets, zipf

T = TypeVar("T", bound=np.generic)

_HOMES, _WORKPLACES = 40, 15
_WORKPLACES_REACH = 0.6
"""Of the reach of the homes: people work nearer to the centre."""
_SPOT_M = 600.0
"""How far around a hot spot the ends of its flows lie: standard deviation on each axis."""
_SPREAD_M = (20.0, 100.0)
"""How far the trips of a flow lie around its ends: standard deviations on each axis, from and to."""
_STATION_SHARE = 0.25
"""Of the ends of flows: all their trips have the very same coordinates there."""
_APART_M = 1_500.0
"""Two flows of a city differ by this at one end or more, so that they can be told apart."""
_MIN_COMMUTE_M = 2_000.0
_TRIES = 40
"""Candidates looked at for each pair of flows wanted; a full city gets fewer flows with more trips each."""
_TRIPS_A_WEEK = 24
"""Of a flow, in the mean; the smallest flow has half of it."""
_MAX_PAIRS = 1_500
_RUSH_SHARE = 0.8
_HOUR = 3_600


class Spots(NamedTuple):
    """The hot spots of all cities; each has a station at its centre."""

    centres: NDArray[np.int64]
    """(s, 2): lon, lat; millionths of a degree."""
    cities: NDArray[np.int64]
    """(s,): by number."""
    any_city: NDArray[np.int64]
    """Tickets for spots, by the weights of their cities and their own."""
    in_city: NDArray[np.int64]
    """(cities, 65536): tickets for the spots of each city."""


class Flows(NamedTuple):
    """The commuter flows of all cities: every even one is a way to work, the next one the way back."""

    ends: NDArray[np.int64]
    """(f, 4): origin lon, lat, destination lon, lat; millionths of a degree."""
    spreads: NDArray[np.float64]
    """(f, 4): standard deviations around them; millionths of a degree, 0 at a station."""
    departures: NDArray[np.int64]
    """(f,): typical second of the day."""
    cities: NDArray[np.int64]
    """(f,): by number."""
    weights: NDArray[np.float64]
    """(f,): against each other."""


def plan(cities: tuple[City, ...], seed: int, trips_a_week: float) -> tuple[Spots, Flows]:
    """The hot spots of the cities, and flows for that many commuters' trips a week."""
    weights = np.array([city.weight for city in cities])
    pairs = min(_MAX_PAIRS, trips_a_week / _TRIPS_A_WEEK / 2) * weights / weights.cumsum()[-1]
    spots, flows = [], []
    for number, city in enumerate(cities):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(0, number))))
        homes = rng.normal(0, city.reach_m, (_HOMES, 2))
        workplaces = rng.normal(0, city.reach_m * _WORKPLACES_REACH, (_WORKPLACES, 2))
        spots.append(city.centre + np.rint(np.vstack([homes, workplaces]) * city.per_metre).astype(np.int64))
        flows.append(_flows(city, number, rng, homes, workplaces, max(1, round(pairs[number]))))
    own = np.concatenate([zipf(_HOMES, 3), zipf(_WORKPLACES, 1)])
    per_city = len(own)
    in_city = np.array([tickets(own) + number * per_city for number in range(len(cities))])
    return (
        Spots(
            np.concatenate(spots),
            np.repeat(np.arange(len(cities)), per_city),
            tickets(np.outer(weights, own).ravel()),
            in_city,
        ),
        Flows(*(np.concatenate(parts) for parts in zip(*flows, strict=True))),
    )


def _flows(
    city: City,
    number: int,
    rng: np.random.Generator,
    homes: NDArray[np.float64],
    workplaces: NDArray[np.float64],
    wanted: int,
) -> Flows:
    """About twice `wanted` flows: to work and back."""
    ways, stacked = _ways(rng, homes, workplaces, wanted)
    pairs = len(ways)
    spreads = rng.uniform(*_SPREAD_M, (pairs, 2)) * ~stacked
    shift = rng.random(pairs) >= _RUSH_SHARE
    to_work = np.where(shift, rng.uniform(5, 13.5, pairs), rng.uniform(7, 9, pairs))
    back = np.where(shift, to_work + 8.5, rng.uniform(16, 18, pairs))
    weights = zipf(pairs, pairs / 4)
    ends = np.rint(ways * np.tile(city.per_metre, 2)).astype(np.int64) + np.tile(city.centre, 2)
    spreads_both = np.repeat(spreads, 2, axis=1) * np.tile(city.per_metre, 2)
    return Flows(
        _there_and_back(ends, ends[:, [2, 3, 0, 1]]),
        _there_and_back(spreads_both, spreads_both[:, [2, 3, 0, 1]]),
        _there_and_back(*(np.rint(hours * _HOUR).astype(np.int64) for hours in (to_work, back))),
        np.full(2 * pairs, number),
        np.repeat(weights / weights.cumsum()[-1] * pairs, 2),
    )


def _there_and_back(there: NDArray[T], back: NDArray[T]) -> NDArray[T]:
    return np.stack([there, back], axis=1).reshape(-1, *there.shape[1:])


def _ways(
    rng: np.random.Generator, homes: NDArray[np.float64], workplaces: NDArray[np.float64], wanted: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(k, 4) metres from the centre, home and workplace, 1 <= k <= wanted; (k, 2) which of the ends are stations."""
    tries = _TRIES * wanted
    near = np.hstack(
        [
            homes[tickets(zipf(_HOMES, 3))[draw(rng, tries)]],
            workplaces[tickets(zipf(_WORKPLACES, 1))[draw(rng, tries)]],
        ]
    )
    stacked = rng.random((tries, 2)) < _STATION_SHARE
    candidates = near + rng.normal(0, _SPOT_M, (tries, 4)) * np.repeat(~stacked, 2, axis=1)
    taken = np.empty((wanted, 4))
    chosen: list[int] = []
    for index, way in enumerate(candidates):
        others = taken[: len(chosen)] - way
        squares = others * others
        apart = np.maximum(squares[:, 0] + squares[:, 1], squares[:, 2] + squares[:, 3])
        across = way[2:] - way[:2]
        if (apart >= _APART_M**2).all() and across @ across >= _MIN_COMMUTE_M**2:
            taken[len(chosen)] = way
            chosen.append(index)
            if len(chosen) == wanted:
                break
    # Where everything is near, one short way has to do.
    chosen = chosen or [0]
    return candidates[chosen], stacked[chosen]
