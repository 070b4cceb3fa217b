"""Trips from a seed: half of them in planted commuter flows, the others between any two hot spots."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.city import DEFAULT_CITIES, City
from shifts_platform.generator.commutes import Commutes, build_commutes
from shifts_platform.generator.scenario import Flows, Spots, build_scenario
from shifts_platform.generator.weighted_sampler import lookup_table, sample_entries

CHUNK_ROWS = 200_000
DEFAULT_FIRST_WEEK = date(2018, 4, 30)
SOURCES = ("cheap_mobile", "pt_search_app", "bad_diesel_vehicles", "baba_car", "funny_car")
NO_FLOW = -1
_MAX_TRIPS = 1 << 31
"""The product of a row number and the number of trips must fit into 64 bits."""
_MAX_WEEKS = 520

_FLOW_SHARE = 0.5
_DEPARTURE_S = 8 * 60
_SPOT_SPREAD_M = 1_800.0
_STATION_PERCENT = 6
"""Share of trips outside of flows that start at a station, and of those that end at one; never both."""
_DAY, _WEEK = 86_400, 7 * 86_400
_WORKDAYS = lookup_table(np.array([19, 19, 19, 19, 18, 4, 2.0]))
_DAYS = lookup_table(np.array([15, 15, 15, 15, 16, 13, 11.0]))
_BY_HOUR = np.array(
    [1, 0.6, 0.4, 0.3, 0.5, 1.5, 3, 5.5, 6.5, 5, 4.5, 5, 5.5, 5, 5, 5.5, 6.5, 7, 6, 4.5, 3.5, 3, 2.5, 1.7, 1]
)
_MINUTES = lookup_table(np.interp(np.arange(1_440) / 60, np.arange(25), _BY_HOUR))
_SOURCES = lookup_table(np.array([30, 25, 20, 15, 10.0]))


@dataclass(frozen=True)
class TripChunk:
    """Consecutive rows of the generated trips."""

    first_row: int
    """Row number of its first trip."""
    regions: tuple[str, ...]
    region: NDArray[np.int32]
    """(n,): index into `regions`."""
    od_coords: NDArray[np.float64]
    """(n, 4): origin and destination, longitude and latitude; degrees, six decimals."""
    moments: NDArray[np.datetime64]
    """(n,): seconds, local wall clock."""
    sources: tuple[str, ...]
    source: NDArray[np.int32]
    """(n,): index into `sources`."""
    flow: NDArray[np.int32]
    """(n,): number of the planted flow or standing commute, or `NO_FLOW`."""

    def __len__(self) -> int:
        return len(self.flow)


def generate_trips(
    count: int,
    *,
    seed: int,
    weeks: int = 5,
    first_week: date = DEFAULT_FIRST_WEEK,
    cities: tuple[City, ...] = DEFAULT_CITIES,
    commutes: Commutes | None = None,
) -> Iterator[TripChunk]:
    """Yield `count` trips in chunks of `CHUNK_ROWS`, in mixed order; the same arguments give the same trips.

    Standing commutes, as `plan_commutes` returns them for the same arguments, take the place of the flows.

    The weekly numbers of trips of a flow differ by one at most, and are 12 or more if `count` is several thousand.
    Trips depend on random bits, IEEE arithmetic in a fixed order and numpy's normal distribution only, so they are
    the same on every machine.

    Raises:
        ValueError: `first_week` is not a Monday, or a number is out of range.
    """
    if first_week.weekday() != 0:
        raise ValueError(f"the first week must start on a Monday, {first_week} is not one")
    if not 0 <= count < _MAX_TRIPS:
        raise ValueError(f"{count} trips are out of range, 0 to {_MAX_TRIPS - 1}")
    most = min(_MAX_WEEKS, (date.max - first_week) // timedelta(weeks=1))
    if not 1 <= weeks <= most:
        raise ValueError(f"{weeks} weeks from {first_week} on are out of range, 1 to {most}")
    if seed < 0 or not cities:
        raise ValueError("the seed must not be negative, and at least one city is needed")
    return _chunks(_Parameters(count, seed, weeks, first_week, cities, commutes))


def plan_commutes(
    count: int,
    *,
    seed: int,
    commutes: int,
    churn: float,
    weeks: int = 5,
    cities: tuple[City, ...] = DEFAULT_CITIES,
) -> Commutes:
    """Return the standing commutes for `count` trips in all; `commutes` stand in each week.

    Raises:
        ValueError: a number is out of range, or the cities have no room for so many distinct commutes.
    """
    return build_commutes(cities, seed, weeks, commutes, churn, round(count * _FLOW_SHARE))


class _Parameters:
    """Values that all rows share."""

    def __init__(
        self,
        count: int,
        seed: int,
        weeks: int,
        first_week: date,
        cities: tuple[City, ...],
        commutes: Commutes | None,
    ) -> None:
        self.count, self.seed, self.weeks, self.cities = count, seed, weeks, cities
        self.start = np.datetime64(first_week, "s")
        self.in_flows = round(count * _FLOW_SHARE)
        self.commutes = commutes
        self.spots: Spots
        self.flows: Flows
        self.spots, self.flows = build_scenario(cities, seed, self.in_flows / weeks)
        shares = np.repeat(self.flows.weights, weeks).cumsum()
        self.bounds = np.rint(shares / shares[-1] * self.in_flows).astype(np.int64)
        """Index after the last trip of each flow and week."""
        self.spot_spread = np.array([city.per_metre for city in cities]) * _SPOT_SPREAD_M
        # The stride has no common factor with the count, so the rows visit each trip once, in mixed order.
        self.stride = int(count * 0.6180339887498949)
        while math.gcd(self.stride, count) > 1:
            self.stride += 1


def _chunks(parameters: _Parameters) -> Iterator[TripChunk]:
    for number, first in enumerate(range(0, parameters.count, CHUNK_ROWS)):
        sequence = np.random.SeedSequence(parameters.seed, spawn_key=(1, number))
        rng = np.random.Generator(np.random.PCG64(sequence))
        yield _chunk(parameters, rng, first, min(CHUNK_ROWS, parameters.count - first))


def _chunk(parameters: _Parameters, rng: np.random.Generator, first: int, rows: int) -> TripChunk:
    trips = np.arange(first, first + rows) * parameters.stride % parameters.count
    planted = trips < parameters.in_flows
    region = np.empty(rows, np.int32)
    od_coords = np.empty((rows, 4))
    seconds = np.empty(rows, np.int64)
    flow = np.full(rows, NO_FLOW, np.int32)
    at = np.flatnonzero(planted)
    in_flows = _in_flows if parameters.commutes is None else _in_commutes
    flow[at], region[at], od_coords[at], seconds[at] = in_flows(parameters, rng, trips[at])
    at = np.flatnonzero(~planted)
    region[at], od_coords[at], seconds[at] = _others(parameters, rng, trips[at] - parameters.in_flows)
    return TripChunk(
        first,
        tuple(city.name for city in parameters.cities),
        region,
        # An integer divided by 1e6 is the double that a reader parses from the six decimals.
        np.rint(od_coords, out=od_coords) / 1e6,
        parameters.start + seconds.astype("timedelta64[s]"),
        SOURCES,
        _SOURCES[sample_entries(rng, rows)].astype(np.int32),
        flow,
    )


def _in_flows(
    parameters: _Parameters, rng: np.random.Generator, trips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return flow, region, coordinates (millionths of a degree) and second since the start, of trips in flows."""
    flows, count = parameters.flows, len(trips)
    flow, week = np.divmod(np.searchsorted(parameters.bounds, trips, side="right"), parameters.weeks)
    od_coords = flows.od_coords[flow] + rng.standard_normal((count, 4)) * flows.spreads[flow]
    departure = flows.departures[flow] + np.rint(rng.standard_normal(count) * _DEPARTURE_S).astype(np.int64)
    return (
        flow,
        flows.cities[flow],
        od_coords,
        week * _WEEK + _WORKDAYS[sample_entries(rng, count)] * _DAY + departure,
    )


def _in_commutes(
    parameters: _Parameters, rng: np.random.Generator, trips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return commute, region, coordinates and second since the start, as `_in_flows`."""
    assert parameters.commutes is not None
    flows, count = parameters.commutes.flows, len(trips)
    number, day = np.divmod(
        np.searchsorted(parameters.commutes.bounds, trips, side="right"), 7 * parameters.weeks
    )
    od_coords = flows.od_coords[number] + rng.standard_normal((count, 4)) * flows.spreads[number]
    departure = parameters.commutes.departures[number, day // 7] + np.rint(
        rng.standard_normal(count) * _DEPARTURE_S
    ).astype(np.int64)
    return number, flows.cities[number], od_coords, day * _DAY + departure


def _others(
    parameters: _Parameters, rng: np.random.Generator, trips: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return region, coordinates (millionths of a degree) and second since the start, of trips outside of flows."""
    spots, count = parameters.spots, len(trips)
    origin = spots.any_city[sample_entries(rng, count)]
    region = spots.cities[origin]
    destination = spots.in_city[region, sample_entries(rng, count)]
    percentile = rng.integers(0, 100, count, dtype=np.uint8)
    offset = rng.standard_normal((count, 2, 2)) * parameters.spot_spread[region][:, np.newaxis]
    offset[percentile < _STATION_PERCENT, 0] = 0
    offset[percentile >= 100 - _STATION_PERCENT, 1] = 0
    od_coords = spots.centres[np.stack([origin, destination], axis=1)] + offset
    minute = _MINUTES[sample_entries(rng, count)]
    second = minute * 60 + rng.integers(0, 60, count, dtype=np.uint8)
    week = trips % parameters.weeks
    return region, od_coords.reshape(-1, 4), week * _WEEK + _DAYS[sample_entries(rng, count)] * _DAY + second
