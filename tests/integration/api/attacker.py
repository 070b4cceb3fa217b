"""An attacker who asks for pairs of areas and times, of which one contains the other, to learn what lies between."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from shifts_core.tiles.box import Box, Match
from shifts_core.time_filter import WEEKDAYS, TimeFilter, TimeWindow
from shifts_core.weekly_statistics import WeeklyQuery

REGION = "Village"
Counts = Mapping[date, int]
"""Trips by Monday."""
_MATCHES: tuple[Match, ...] = ("both", "origin", "destination", "any")
_HOUSE = 1e-4
"""Degrees."""


class Pair(NamedTuple):
    """Two questions; whatever matches the inner one matches the outer one."""

    inner: WeeklyQuery
    outer: WeeklyQuery


class Answered(NamedTuple):
    """A pair and its answers, before and after a further file."""

    pair: Pair
    inner: tuple[Counts, Counts]
    outer: tuple[Counts, Counts]


def chosen_pairs(homes: NDArray[np.float64], pairs: int, polygons: int, seed: int = 0) -> Iterator[Pair]:
    """Pairs that differ by a house, an hour, a weekday or a kind of match.

    Args:
        homes: shape (n, 2): longitude and latitude of people whose trips the attacker wants to know.
        pairs: how many.
        polygons: how many of them are polygons, of which the outer one has a house more.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    for number in range(pairs):
        lon, lat = homes[number % len(homes)].tolist()
        size = float(10 ** rng.uniform(-3.5, -0.7))
        west, south = lon - size * rng.random(), lat - size * rng.random()
        east, north = west + size, south + size
        outer = WeeklyQuery(REGION, Box(west, south, east, north), _MATCHES[number % 4], times=_times(rng))
        if number < polygons:
            house = shapely.box(lon - _HOUSE, lat - _HOUSE, lon + _HOUSE, lat + _HOUSE)
            area = shapely.union(shapely.box(west, south, east, north), house)
            outer = outer._replace(box=None, polygon=area)
            yield Pair(outer._replace(polygon=shapely.difference(area, house)), outer)
        else:
            yield Pair(_narrowed(outer, lon, lat, rng), outer)


def _times(rng: np.random.Generator) -> TimeFilter:
    window = None
    if rng.random() < 0.4:
        start, end = sorted(rng.choice(1440, 2, replace=False).tolist())
        window = TimeWindow(start, end)
    days = None
    if rng.random() < 0.2:
        days = tuple(WEEKDAYS[day] for day in sorted(rng.choice(7, 4, replace=False).tolist()))
    return TimeFilter(days, window)


def _narrowed(outer: WeeklyQuery, lon: float, lat: float, rng: np.random.Generator) -> WeeklyQuery:
    """The same question without a house, some minutes, a weekday, or with fewer ends that match."""
    assert outer.box is not None
    kind = rng.integers(0, 8)
    days, window = outer.times
    if kind == 0 and window is not None and window.end - window.start > 1:
        shorter = TimeWindow(int(rng.integers(window.start + 1, window.end)), window.end)
        return outer._replace(times=TimeFilter(days, shorter))
    if kind == 1:
        fewer = [day for day in (days or WEEKDAYS) if rng.random() < 0.8] or ["mon"]
        kept = tuple(day for day in WEEKDAYS if day in fewer and day in (days or WEEKDAYS))
        return outer._replace(times=TimeFilter(kept or days, window))
    if kind == 2 and outer.match != "both":
        return outer._replace(match="both" if outer.match != "any" else "origin")
    west, south, east, north = outer.box.west, outer.box.south, outer.box.east, outer.box.north
    sides = [
        Box(min(lon + _HOUSE, east), south, east, north),
        Box(west, south, max(lon - _HOUSE, west), north),
        Box(west, min(lat + _HOUSE, north), east, north),
        Box(west, south, east, max(lat - _HOUSE, south)),
    ]
    return outer._replace(box=sides[int(rng.integers(0, 4))])


def isolated(answers: Sequence[Answered]) -> list[int]:
    """Numbers of trips of one week that differences of answers tell from all others: 1 or more.

    What lies between the two questions, what the further file adds to each, and what it adds between them.
    """
    found: list[int] = []
    for answer in answers:
        weeks = {week for counts in (*answer.inner, *answer.outer) for week in counts}
        for week in weeks:
            inner, outer = ([each.get(week, 0) for each in counts] for counts in (answer.inner, answer.outer))
            between = [outer[0] - inner[0], outer[1] - inner[1]]
            assert min(between) >= 0, (answer.pair, week, inner, outer)
            added = inner[1] - inner[0], outer[1] - outer[0]
            assert min(added) >= 0, (answer.pair, week, inner, outer)
            found += [*inner, *outer, *between, *added, between[1] - between[0]]
    return [number for number in found if number]
