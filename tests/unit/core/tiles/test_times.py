"""Counts of weekdays and time windows equal counts from the times of the trips."""

from datetime import date
from typing import get_args

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.tiles.box import Box, Match
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import Tile, decode_tile
from shifts_core.tiles.encode import encode_tile
from shifts_core.tiles.format import LEAF_TRIPS
from shifts_core.tiles.small_segments import decode_small_segments
from shifts_core.time_filter import MINUTES_OF_WEEK, TimeFilter
from tests.unit.core.tiles.counting import count_weeks, load_all, matches_one_by_one, to_index
from tests.unit.core.tiles.random_trips import KINDS, random_trips
from tests.unit.core.tiles.test_counting import random_box
from tests.unit.core.time_filters import matches_time, time_filters

WEEK = date(2018, 5, 28)
MATCHES: tuple[Match, ...] = get_args(Match)


def random_minutes(rng: np.random.Generator, trips: int) -> NDArray[np.uint16]:
    """Minutes of the week; half of the trips start at the same few times."""
    minutes = rng.integers(0, MINUTES_OF_WEEK, trips)
    stacked = rng.random(trips) < rng.random()
    return np.where(stacked, minutes // 480 * 480, minutes).astype(np.uint16)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4 * LEAF_TRIPS),
    st.sampled_from(KINDS),
    st.lists(time_filters(), min_size=1, max_size=4),
)
def test_any_weekdays_and_window_of_any_box_are_counted_exactly(
    seed: int, trips: int, kind: str, filters: list[TimeFilter]
) -> None:
    rng = np.random.default_rng(seed)
    ends, minutes = random_trips(rng, trips, kind), random_minutes(rng, trips)
    tiles = {WEEK: list(build_tiles(ends.copy(), minutes.copy()))}
    index = to_index(tiles)
    for times in filters:
        in_time = matches_time(minutes, times)
        for box in (random_box(rng, ends), Box(-180.0, -90.0, 180.0, 90.0)):
            for match in MATCHES:
                wanted = int((matches_one_by_one(ends, box, match) & in_time).sum())
                counted = count_weeks(index, tiles, box, match, times.minute_ranges())
                assert counted.tolist() == [wanted], (box, match, times)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 128), time_filters())
def test_times_of_small_segments_are_counted(seed: int, trips: int, times: TimeFilter) -> None:
    rng = np.random.default_rng(seed)
    ends, minutes = random_trips(rng, trips, "mixed"), random_minutes(rng, trips)
    (tile,) = build_tiles(ends.copy(), minutes.copy())
    old = without_minutes(tile)
    small = decode_small_segments(
        np.array([0, 1]),
        np.array([1, 1]),
        *([getattr(each, name) for each in (tile, old)] for name in ("leaves", "high_bits", "low_bits")),
    )
    box = random_box(rng, ends)
    matching = matches_one_by_one(ends, box, "any")
    wanted = int((matching & matches_time(minutes, times)).sum())
    assert small.count_weeks(slice(0, 1), box, "any", times.minute_ranges()).tolist() == [wanted]
    assert small.count_weeks(slice(0, 2), box, "any").tolist() == [int(matching.sum())] * 2
    assert small.minutes.tolist() == [*sorted(minutes.tolist()), *[-1] * trips]


def test_trips_of_a_leaf_are_sorted_by_their_minutes_and_keep_them() -> None:
    rng = np.random.default_rng(1)
    ends, minutes = rng.uniform(7.6, 7.7, (70_000, 4)), random_minutes(rng, 70_000)
    wanted = sorted(zip(ends[:, 0].tolist(), minutes.tolist(), strict=True))
    decoded = [decode_tile(tile) for tile in build_tiles(ends, minutes)]
    found = [pair for e, m in decoded for pair in zip(e[:, 0].tolist(), m.tolist(), strict=True)]
    assert sorted(found) == wanted
    for _, of_tile in decoded:
        for first in range(0, len(of_tile), LEAF_TRIPS):
            assert (np.diff(of_tile[first : first + LEAF_TRIPS].astype(int)) >= 0).all()


def test_tiles_without_minutes_are_read_and_counted_without_a_time_and_known() -> None:
    rng = np.random.default_rng(2)
    ends = random_trips(rng, 3_000, "decimals")
    minutes = np.zeros(1_500, np.uint16)
    new, old = (
        list(build_tiles(ends[:1_500].copy(), minutes)),
        list(build_tiles(ends[1_500:].copy(), minutes)),
    )
    tiles = {WEEK: new, date(2018, 6, 4): [without_minutes(tile) for tile in old]}
    index = to_index(tiles)
    load_all(index, tiles)
    assert index.without_minutes(slice(0, 2)).tolist() == [False, True]
    box = Box(-180.0, -90.0, 180.0, 90.0)
    assert count_weeks(index, tiles, box, "both").tolist() == [1_500, 1_500]
    assert count_weeks(index, tiles, box, "both", np.array([[0, 1]])).tolist() == [1_500, 0]


def test_usual_trips_take_less_than_fifteen_bytes() -> None:
    rng = np.random.default_rng(3)
    ends = np.round(rng.normal([7.65, 45.05] * 2, 0.05, (300_000, 4)), 6)
    tiles = list(build_tiles(ends, random_minutes(rng, len(ends))))
    size = sum(len(tile.leaves) + len(tile.high_bits) + len(tile.low_bits) for tile in tiles)
    assert size < 15 * 300_000


def without_minutes(tile: Tile) -> Tile:
    """The tile as older versions wrote it."""
    return Tile(tile.trips, tile.leaves, tile.high_bits[: 8 * tile.trips], tile.low_bits)


def test_encoding_a_decoded_tile_gives_the_same_bytes() -> None:
    rng = np.random.default_rng(4)
    (tile,) = build_tiles(random_trips(rng, 5_000, "mixed"), random_minutes(rng, 5_000))
    assert encode_tile(*decode_tile(tile)) == tile
