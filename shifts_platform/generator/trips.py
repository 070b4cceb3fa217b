"""Trips from a seed: half of them in planted commuter flows, the others anywhere between the hot spots."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.city import DEFAULT_CITIES, City
from shifts_platform.generator.scenario import Flows, Spots, plan
from shifts_platform.generator.weighted_sampler import draw, tickets

CHUNK_ROWS = 200_000
DEFAULT_FIRST_WEEK = date(2018, 4, 30)
SOURCES = ("cheap_mobile", "pt_search_app", "bad_diesel_vehicles", "baba_car", "funny_car")
NO_FLOW = -1
_MAX_TRIPS = 1 << 31
"""A row's number times the number of trips must fit into 64 bits."""
_MAX_WEEKS = 520

_FLOW_SHARE = 0.5
_DEPARTURE_S = 8 * 60
_NOISE_M = 1_800.0
_STATION_PERCENT = 6
"""Of the ends of trips outside the flows, never both of a trip."""
_DAY, _WEEK = 86_400, 7 * 86_400
_WORKDAYS = tickets(np.array([19, 19, 19, 19, 18, 4, 2.0]))
_DAYS = tickets(np.array([15, 15, 15, 15, 16, 13, 11.0]))
_BY_HOUR = np.array(
    [1, 0.6, 0.4, 0.3, 0.5, 1.5, 3, 5.5, 6.5, 5, 4.5, 5, 5.5, 5, 5, 5.5, 6.5, 7, 6, 4.5, 3.5, 3, 2.5, 1.7, 1]
)
_MINUTES = tickets(np.interp(np.arange(1_440) / 60, np.arange(25), _BY_HOUR))
_SOURCES = tickets(np.array([30, 25, 20, 15, 10.0]))


@dataclass(frozen=True)
class TripChunk:
    """Consecutive rows of the generated trips."""

    first_row: int
    """Number of its first row among all."""
    regions: tuple[str, ...]
    region: NDArray[np.int32]
    """(n,): index into `regions`."""
    od_coords: NDArray[np.float64]
    """(n, 4): origin lon, lat, destination lon, lat; degrees, six decimals."""
    moments: NDArray[np.datetime64]
    """(n,): seconds, local wall clock."""
    sources: tuple[str, ...]
    source: NDArray[np.int32]
    """(n,): index into `sources`."""
    flow: NDArray[np.int32]
    """(n,): number of the planted flow that the trip belongs to, `NO_FLOW` if none."""

    def __len__(self) -> int:
        return len(self.flow)


def generate_trips(
    count: int,
    *,
    seed: int,
    weeks: int = 5,
    first_week: date = DEFAULT_FIRST_WEEK,
    cities: tuple[City, ...] = DEFAULT_CITIES,
) -> Iterator[TripChunk]:
    """`count` trips in chunks of `CHUNK_ROWS`, in no order; the same arguments give the same trips.

    A flow has the same number of trips in each week (give or take one): 12 or more from some thousand trips on.
    Only random bits, IEEE arithmetic in a fixed order and numpy's normal distribution go into a trip.

    Raises:
        ValueError: `first_week` is no Monday, or a number is out of range.
    """
    if first_week.weekday() != 0:
        raise ValueError(f"the first week must begin on a Monday, {first_week} is none")
    if not 0 <= count < _MAX_TRIPS:
        raise ValueError(f"{count} trips are out of range, 0 to {_MAX_TRIPS - 1}")
    most = min(_MAX_WEEKS, (date.max - first_week) // timedelta(weeks=1))
    if not 1 <= weeks <= most:
        raise ValueError(f"{weeks} weeks from {first_week} on are out of range, 1 to {most}")
    if seed < 0 or not cities:
        raise ValueError("the seed must not be negative, and there must be a city")
    return _chunks(_Recipe(count, seed, weeks, first_week, cities))


class _Recipe:
    """Everything that the rows have in common."""

    def __init__(self, count: int, seed: int, weeks: int, first_week: date, cities: tuple[City, ...]) -> None:
        self.count, self.seed, self.weeks, self.cities = count, seed, weeks, cities
        self.start = np.datetime64(first_week, "s")
        self.in_flows = round(count * _FLOW_SHARE)
        self.spots: Spots
        self.flows: Flows
        self.spots, self.flows = plan(cities, seed, self.in_flows / weeks)
        shares = np.repeat(self.flows.weights, weeks).cumsum()
        self.bounds = np.rint(shares / shares[-1] * self.in_flows).astype(np.int64)
        """Behind the last trip of each flow's each week."""
        self.noise_m = np.array([city.per_metre for city in cities]) * _NOISE_M
        # Rows are the trips in a mixed order: a stride without a common factor meets each of them once.
        self.stride = int(count * 0.6180339887498949)
        while math.gcd(self.stride, count) > 1:
            self.stride += 1


def _chunks(recipe: _Recipe) -> Iterator[TripChunk]:
    for number, first in enumerate(range(0, recipe.count, CHUNK_ROWS)):
        sequence = np.random.SeedSequence(recipe.seed, spawn_key=(1, number))
        rng = np.random.Generator(np.random.PCG64(sequence))
        yield _chunk(recipe, rng, first, min(CHUNK_ROWS, recipe.count - first))


def _chunk(recipe: _Recipe, rng: np.random.Generator, first: int, rows: int) -> TripChunk:
    trips = np.arange(first, first + rows) * recipe.stride % recipe.count
    planted = trips < recipe.in_flows
    region = np.empty(rows, np.int32)
    ends = np.empty((rows, 4))
    seconds = np.empty(rows, np.int64)
    flow = np.full(rows, NO_FLOW, np.int32)
    at = np.flatnonzero(planted)
    flow[at], region[at], ends[at], seconds[at] = _commutes(recipe, rng, trips[at])
    at = np.flatnonzero(~planted)
    region[at], ends[at], seconds[at] = _others(recipe, rng, trips[at] - recipe.in_flows)
    return TripChunk(
        first,
        tuple(city.name for city in recipe.cities),
        region,
        # A whole number divided is the double nearest to the six decimals: what a reader gets from the text.
        np.rint(ends, out=ends) / 1e6,
        recipe.start + seconds.astype("timedelta64[s]"),
        SOURCES,
        _SOURCES[draw(rng, rows)].astype(np.int32),
        flow,
    )


def _commutes(
    recipe: _Recipe, rng: np.random.Generator, trips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Flow, region, ends (millionths of a degree) and second since the start of trips in flows."""
    flows, count = recipe.flows, len(trips)
    flow, week = np.divmod(np.searchsorted(recipe.bounds, trips, side="right"), recipe.weeks)
    ends = flows.ends[flow] + rng.standard_normal((count, 4)) * flows.spreads[flow]
    departure = flows.departures[flow] + np.rint(rng.standard_normal(count) * _DEPARTURE_S).astype(np.int64)
    return flow, flows.cities[flow], ends, week * _WEEK + _WORKDAYS[draw(rng, count)] * _DAY + departure


def _others(
    recipe: _Recipe, rng: np.random.Generator, trips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Region, ends (millionths of a degree) and second since the start of trips outside the flows."""
    spots, count = recipe.spots, len(trips)
    origin = spots.any_city[draw(rng, count)]
    region = spots.cities[origin]
    destination = spots.in_city[region, draw(rng, count)]
    lottery = rng.integers(0, 100, count, dtype=np.uint8)
    away = rng.standard_normal((count, 2, 2)) * recipe.noise_m[region][:, np.newaxis]
    away[lottery < _STATION_PERCENT, 0] = 0
    away[lottery >= 100 - _STATION_PERCENT, 1] = 0
    ends = spots.centres[np.stack([origin, destination], axis=1)] + away
    minute = _MINUTES[draw(rng, count)]
    second = minute * 60 + rng.integers(0, 60, count, dtype=np.uint8)
    week = trips % recipe.weeks
    return region, ends.reshape(-1, 4), week * _WEEK + _DAYS[draw(rng, count)] * _DAY + second
