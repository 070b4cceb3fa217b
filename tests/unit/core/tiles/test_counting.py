"""Counts from tiles are those of the coordinates, for any trips, any box, any match."""

from datetime import date, timedelta
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.tiles.box import Box, Match
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.split import LEAF_TRIPS, TILE_TRIPS
from tests.unit.core.tiles.counting import answer, count_by_tiles, count_in, count_one_by_one, to_index

MATCHES: tuple[Match, ...] = get_args(Match)


def random_trips(rng: np.random.Generator, trips: int, how: str) -> NDArray[np.float64]:
    """Shape (trips, 4), degrees."""
    middle = rng.uniform([-170, -80, -170, -80], [170, 80, 170, 80])
    if how == "doubles":
        return rng.normal(middle, 0.1, (trips, 4))
    if how == "decimals":
        return np.round(rng.normal(middle, 0.1, (trips, 4)), int(rng.integers(3, 9)))
    if how == "stacked":
        return rng.normal(middle, 0.1, (7, 4))[rng.integers(0, 7, trips)]
    if how == "grid":
        return np.round(middle) + rng.integers(-2, 3, (trips, 4)) / 4
    if how == "mixed":
        ends = np.round(rng.normal(middle, 0.1, (trips, 4)), 6)
        odd = rng.random(trips) < 0.01
        ends[odd] = rng.normal(middle, 0.1, (int(odd.sum()), 4))
        return ends
    if how == "antimeridian":
        ends = rng.normal([180, 0, 180, 0], 0.2, (trips, 4))
        ends[:, ::2] = (ends[:, ::2] + 180) % 360 - 180
        ends[rng.random(trips) < 0.05, 0] = 180.0
        ends[rng.random(trips) < 0.05, 2] = -180.0
        return ends
    # Around zero, where doubles are dense and signs change.
    ends = rng.normal(0, 1, (trips, 4)) * 10.0 ** rng.integers(-12, 0, (trips, 4))
    ends[rng.random((trips, 4)) < 0.05] = -0.0
    return ends


HOW = ("doubles", "decimals", "stacked", "grid", "mixed", "antimeridian", "zero")


def random_box(rng: np.random.Generator, ends: NDArray[np.float64]) -> Box:
    """Sides that often run through trips, or just beside them; sometimes across the antimeridian."""
    sides = []
    for axis in (0, 1, 2, 3):
        side = float(ends[rng.integers(0, len(ends)), axis])
        nudge = rng.integers(0, 5)
        if nudge == 1:
            side = float(np.nextafter(side, np.inf))
        elif nudge == 2:
            side = float(np.nextafter(side, -np.inf))
        elif nudge == 3:
            side += float(rng.normal(0, 0.05))
        sides.append(side)
    west, south, east, north = sides
    if rng.random() < 0.8:
        west, east = min(west, east), max(west, east)
    return Box(west, min(south, north), east, max(south, north))


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4 * LEAF_TRIPS), st.sampled_from(HOW))
def test_any_box_of_any_trips_is_counted_exactly(seed: int, trips: int, how: str) -> None:
    rng = np.random.default_rng(seed)
    ends = random_trips(rng, trips, how)
    tiles = list(build_tiles(ends.copy()))
    for _ in range(6):
        box = random_box(rng, ends)
        for match in MATCHES:
            assert count_in(tiles, box, match) == count_one_by_one(ends, box, match), (box, match)


@pytest.mark.parametrize("how", ["decimals", "doubles"])
def test_several_tiles_are_counted_exactly_and_hold_every_trip(how: str) -> None:
    rng = np.random.default_rng(4)
    ends = random_trips(rng, 2 * TILE_TRIPS + LEAF_TRIPS + 1, how)
    tiles = list(build_tiles(ends.copy()))
    assert [tile.trips for tile in tiles] == [TILE_TRIPS, TILE_TRIPS, LEAF_TRIPS + 1]
    for _ in range(10):
        box = random_box(rng, ends)
        for match in MATCHES:
            assert count_in(tiles, box, match) == count_one_by_one(ends, box, match), (box, match)


@pytest.mark.parametrize("match", MATCHES)
def test_sides_beyond_the_earth_hold_everything_or_nothing(match: Match) -> None:
    ends = random_trips(np.random.default_rng(1), 3000, "decimals")
    assert count_by_tiles(ends, Box(-1e300, -1e300, 1e300, 1e300), match) == 3000
    assert count_by_tiles(ends, Box(500, -1e300, 1e300, 1e300), match) == 0
    assert count_by_tiles(ends, Box(-180, 10, 180, -10), match) == 0


def test_a_leaf_of_six_decimals_takes_eight_bytes_a_trip_where_its_trips_are_near() -> None:
    rng = np.random.default_rng(2)
    ends = np.round(rng.uniform(7.60, 7.63, (50_000, 4)), 6)
    (tile,) = build_tiles(ends)
    assert len(tile.codes) == 8 * 50_000
    assert tile.rests == b""


def test_the_same_trips_in_another_order_make_the_same_counts_of_leaves() -> None:
    rng = np.random.default_rng(3)
    ends = random_trips(rng, 10_000, "doubles")
    first = [(t.trips, t.leaves) for t in build_tiles(ends.copy())]
    second = [(t.trips, t.leaves) for t in build_tiles(rng.permutation(ends))]
    assert first == second


def test_several_weeks_are_counted_each_by_itself_and_what_was_read_is_not_read_again() -> None:
    rng = np.random.default_rng(5)
    weeks = [date(2018, 4, 30) + timedelta(weeks=n) for n in range(4)]
    ends = {week: random_trips(rng, int(rng.integers(1, 3000)), "mixed") for week in weeks}
    tiles = {week: list(build_tiles(of_week.copy())) for week, of_week in ends.items()}
    index = to_index(tiles)
    for _ in range(20):
        box = random_box(rng, ends[weeks[0]])
        for match in MATCHES:
            counted = answer(index, tiles, box, match)
            assert counted.tolist() == [count_one_by_one(ends[week], box, match) for week in weeks]
            assert len(BoxCount(index, slice(0, 4), box, match).missing().sizes) == 0
