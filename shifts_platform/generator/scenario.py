"""The scenario of the generated trips: hot spots, and the commuter flows planted between them."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.city import City
from shifts_platform.generator.weighted_sampler import lookup_table, sample_entries, zipf_weights

T = TypeVar("T", bound=np.generic)

_HOMES, _WORKPLACES = 40, 15
_WORKPLACES_REACH = 0.6
"""Share of the homes' reach: people work closer to the centre."""
_SPOT_M = 600.0
"""Standard deviation of the ends of flows around their hot spot, on each axis."""
_SPREAD_M = (20.0, 100.0)
"""Range of the standard deviations of trips around the ends of their flow, on each axis."""
_STATION_SHARE = 0.25
"""Share of the ends of flows at which all trips have the same coordinates."""
_MIN_SEPARATION_M = 1_500.0
"""Least distance of two flows of a city at one end or the other, so that they are distinct."""
_MIN_COMMUTE_M = 2_000.0
_CANDIDATES_PER_PAIR = 40
"""Candidates for each pair of flows; a city without room for more gets fewer flows with more trips each."""
_TRIPS_PER_WEEK = 24
"""Mean of a flow; the smallest flow has half as many."""
_MAX_PAIRS = 1_500
_RUSH_SHARE = 0.8
_HOUR = 3_600


class Spots(NamedTuple):
    """The hot spots of all cities; each has a station at its centre."""

    centres: NDArray[np.int64]
    """(s, 2): longitude, latitude; millionths of a degree."""
    cities: NDArray[np.int64]
    """(s,): index of the city."""
    any_city: NDArray[np.int64]
    """Lookup table of spots by the weights of their cities and their own."""
    in_city: NDArray[np.int64]
    """(cities, 65536): lookup table of the spots of each city."""


class Flows(NamedTuple):
    """The commuter flows of all cities: even numbers are the way to work, the next odd number is the way back."""

    od_coords: NDArray[np.int64]
    """(f, 4): origin and destination, longitude and latitude; millionths of a degree."""
    spreads: NDArray[np.float64]
    """(f, 4): standard deviations around `od_coords`; millionths of a degree, 0 at a station."""
    departures: NDArray[np.int64]
    """(f,): mean second of the day."""
    cities: NDArray[np.int64]
    """(f,): index of the city."""
    weights: NDArray[np.float64]
    """(f,): relative to each other."""


def build_scenario(cities: tuple[City, ...], seed: int, trips_per_week: float) -> tuple[Spots, Flows]:
    """Return the hot spots of the cities, and flows for that number of commuter trips per week."""
    weights = np.array([city.weight for city in cities])
    pairs = min(_MAX_PAIRS, trips_per_week / _TRIPS_PER_WEEK / 2) * weights / weights.cumsum()[-1]
    spots, flows = [], []
    for number, city in enumerate(cities):
        rng, homes, workplaces = _city_spots(city, number, seed)
        spots.append(city.centre + np.rint(np.vstack([homes, workplaces]) * city.per_metre).astype(np.int64))
        flows.append(_flows(city, number, rng, homes, workplaces, max(1, round(pairs[number]))))
    own = np.concatenate([zipf_weights(_HOMES, 3), zipf_weights(_WORKPLACES, 1)])
    per_city = len(own)
    in_city = np.array([lookup_table(own) + number * per_city for number in range(len(cities))])
    return (
        Spots(
            np.concatenate(spots),
            np.repeat(np.arange(len(cities)), per_city),
            lookup_table(np.outer(weights, own).ravel()),
            in_city,
        ),
        Flows(*(np.concatenate(parts) for parts in zip(*flows, strict=True))),
    )


def city_flows(city: City, number: int, seed: int, max_pairs: int) -> Flows:
    """Return at most `max_pairs` pairs of flows of one city, between its hot spots of `build_scenario`."""
    return _flows(city, number, *_city_spots(city, number, seed), max_pairs)


def _city_spots(
    city: City, number: int, seed: int
) -> tuple[np.random.Generator, NDArray[np.float64], NDArray[np.float64]]:
    """Return the city's generator of random numbers, and its homes and workplaces in metres from the centre."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(0, number))))
    homes = rng.normal(0, city.reach_m, (_HOMES, 2))
    workplaces = rng.normal(0, city.reach_m * _WORKPLACES_REACH, (_WORKPLACES, 2))
    return rng, homes, workplaces


def _flows(
    city: City,
    number: int,
    rng: np.random.Generator,
    homes: NDArray[np.float64],
    workplaces: NDArray[np.float64],
    max_pairs: int,
) -> Flows:
    """Return two flows, to work and back, for each of at most `max_pairs` pairs of home and workplace."""
    routes, stacked = _routes(rng, homes, workplaces, max_pairs)
    pairs = len(routes)
    spreads = rng.uniform(*_SPREAD_M, (pairs, 2)) * ~stacked
    off_peak = rng.random(pairs) >= _RUSH_SHARE
    to_work = np.where(off_peak, rng.uniform(5, 13.5, pairs), rng.uniform(7, 9, pairs))
    back = np.where(off_peak, to_work + 8.5, rng.uniform(16, 18, pairs))
    weights = zipf_weights(pairs, pairs / 4)
    od_coords = np.rint(routes * np.tile(city.per_metre, 2)).astype(np.int64) + np.tile(city.centre, 2)
    spreads_both = np.repeat(spreads, 2, axis=1) * np.tile(city.per_metre, 2)
    return Flows(
        _interleave(od_coords, od_coords[:, [2, 3, 0, 1]]),
        _interleave(spreads_both, spreads_both[:, [2, 3, 0, 1]]),
        _interleave(*(np.rint(hours * _HOUR).astype(np.int64) for hours in (to_work, back))),
        np.full(2 * pairs, number),
        np.repeat(weights / weights.cumsum()[-1] * pairs, 2),
    )


def _interleave(to_work: NDArray[T], back: NDArray[T]) -> NDArray[T]:
    return np.stack([to_work, back], axis=1).reshape(-1, *to_work.shape[1:])


def _routes(
    rng: np.random.Generator, homes: NDArray[np.float64], workplaces: NDArray[np.float64], max_pairs: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return distinct routes from home to workplace.

    Returns:
        Metres from the centre, shape (k, 4) with 1 <= k <= max_pairs, and which ends are stations, shape (k, 2).
    """
    candidate_count = _CANDIDATES_PER_PAIR * max_pairs
    near = np.hstack(
        [
            homes[lookup_table(zipf_weights(_HOMES, 3))[sample_entries(rng, candidate_count)]],
            workplaces[lookup_table(zipf_weights(_WORKPLACES, 1))[sample_entries(rng, candidate_count)]],
        ]
    )
    stacked = rng.random((candidate_count, 2)) < _STATION_SHARE
    candidates = near + rng.normal(0, _SPOT_M, (candidate_count, 4)) * np.repeat(~stacked, 2, axis=1)
    accepted = np.empty((max_pairs, 4))
    chosen: list[int] = []
    for index, route in enumerate(candidates):
        others = accepted[: len(chosen)] - route
        squares = others * others
        separation = np.maximum(squares[:, 0] + squares[:, 1], squares[:, 2] + squares[:, 3])
        length = route[2:] - route[:2]
        if (separation >= _MIN_SEPARATION_M**2).all() and length @ length >= _MIN_COMMUTE_M**2:
            accepted[len(chosen)] = route
            chosen.append(index)
            if len(chosen) == max_pairs:
                break
    # In a city that is too small for a commute, the first candidate is used.
    chosen = chosen or [0]
    return candidates[chosen], stacked[chosen]
