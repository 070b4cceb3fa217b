"""Counts from tiles equal counts from coordinates, for any trips, any box and any match."""

from datetime import date, timedelta
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.tiles.box import EMPTY_BOX, Box, Match
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.format import LEAF_TRIPS, TILE_TRIPS
from tests.unit.core.tiles.counting import (
    count_by_tiles,
    count_in,
    count_one_by_one,
    count_weeks,
    to_index,
)
from tests.unit.core.tiles.random_trips import KINDS, random_trips, tiles_of

MATCHES: tuple[Match, ...] = get_args(Match)


def random_box(rng: np.random.Generator, ends: NDArray[np.float64]) -> Box:
    """A box whose sides often run through trips or just beside them; one in five may cross the antimeridian."""
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
@given(st.integers(0, 2**32), st.integers(1, 4 * LEAF_TRIPS), st.sampled_from(KINDS))
def test_any_box_of_any_trips_is_counted_exactly(seed: int, trips: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    ends = random_trips(rng, trips, kind)
    tiles = tiles_of(ends)
    for _ in range(6):
        box = random_box(rng, ends)
        for match in MATCHES:
            assert count_in(tiles, box, match) == count_one_by_one(ends, box, match), (box, match)


@pytest.mark.parametrize("kind", ["decimals", "doubles"])
def test_several_tiles_are_counted_exactly(kind: str) -> None:
    rng = np.random.default_rng(4)
    ends = random_trips(rng, 2 * TILE_TRIPS + LEAF_TRIPS + 1, kind)
    tiles = tiles_of(ends)
    assert [tile.trips for tile in tiles] == [TILE_TRIPS, TILE_TRIPS, LEAF_TRIPS + 1]
    for _ in range(10):
        box = random_box(rng, ends)
        for match in MATCHES:
            assert count_in(tiles, box, match) == count_one_by_one(ends, box, match), (box, match)


@pytest.mark.parametrize("match", MATCHES)
def test_a_box_beyond_the_earth_contains_everything_or_nothing(match: Match) -> None:
    ends = random_trips(np.random.default_rng(1), 3000, "decimals")
    assert count_by_tiles(ends, Box(-1e300, -1e300, 1e300, 1e300), match) == 3000
    assert count_by_tiles(ends, Box(500, -1e300, 1e300, 1e300), match) == 0
    assert count_by_tiles(ends, Box(-180, 10, 180, -10), match) == 0
    assert count_by_tiles(ends, EMPTY_BOX, match) == 0


def test_six_decimals_of_neighbouring_trips_take_ten_bytes_per_trip() -> None:
    rng = np.random.default_rng(2)
    ends = np.round(rng.uniform(7.60, 7.63, (50_000, 4)), 6)
    (tile,) = tiles_of(ends)
    assert len(tile.high_bits) == 10 * 50_000
    assert tile.low_bits == b""


def test_the_order_of_the_trips_does_not_change_the_leaves() -> None:
    rng = np.random.default_rng(3)
    ends = random_trips(rng, 10_000, "doubles")
    first = [(t.trips, t.leaves) for t in tiles_of(ends)]
    second = [(t.trips, t.leaves) for t in tiles_of(rng.permutation(ends))]
    assert first == second


def test_weeks_are_counted_separately_and_nothing_is_read_twice() -> None:
    rng = np.random.default_rng(5)
    weeks = [date(2018, 4, 30) + timedelta(weeks=n) for n in range(4)]
    ends = {week: random_trips(rng, int(rng.integers(1, 3000)), "mixed") for week in weeks}
    tiles = {week: tiles_of(of_week) for week, of_week in ends.items()}
    index = to_index(tiles)
    for _ in range(20):
        box = random_box(rng, ends[weeks[0]])
        for match in MATCHES:
            counted = count_weeks(index, tiles, box, match)
            assert counted.tolist() == [count_one_by_one(ends[week], box, match) for week in weeks]
            assert len(BoxCount(index, slice(0, 4), box, match).missing_high_bits().sizes) == 0
