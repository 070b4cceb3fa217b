"""Cells of random trips: each has enough trips, all but a few trips are in one, and further files change none."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.cells.boxes import as_answer, counted_boxes
from shifts_core.cells.generalise import generalise
from shifts_core.cells.grid import DEPTH, bounds_of, centres_of, codes_of, keys_of
from shifts_core.cells.partition import WITHHELD, cell_depths
from shifts_core.tiles.box import Box, Match
from shifts_core.time_filter import TimeFilter
from shifts_core.weekly_statistics import WeeklyQuery
from tests.unit.core.tiles.random_trips import KINDS, any_minutes, random_trips

MANY = settings(max_examples=60, deadline=None)
SEEDS, COUNTS, SIZES = st.integers(0, 2**32), st.integers(1, 40), st.integers(0, 600)
SETTLED = st.sampled_from(KINDS)
Codes = tuple[int, ...]


def keys_as_ints(ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> list[int]:
    """Keys with the first bit as the highest of `DEPTH`."""
    first, second = keys_of(ends, minutes).tolist()
    return [((a << 64) | b) >> (128 - DEPTH) for a, b in zip(first, second, strict=True)]


def divide(
    trips: Sequence[int], keys: Sequence[int], depth: int, k: int, depths: dict[int, int]
) -> list[int]:
    """The rule of `cell_depths`, written as a recursion; returns the trips that a box keeps."""
    if len(trips) < k:
        return list(trips)
    shared = depth
    while shared < DEPTH and len({keys[trip] >> (DEPTH - shared - 1) for trip in trips}) == 1:
        shared += 1
    kept = list(trips)
    if shared < DEPTH and len(trips) >= 2 * k:
        halves = ([trip for trip in trips if keys[trip] >> (DEPTH - shared - 1) & 1 == bit] for bit in (0, 1))
        kept = [trip for half in halves for trip in divide(half, keys, shared + 1, k, depths)]
    if len(kept) < k:
        return kept
    depths |= dict.fromkeys(kept, shared)
    return []


def cells_of(
    ends: NDArray[np.float64], minutes: NDArray[np.uint16], k: int
) -> dict[tuple[Codes, Codes], list[int]]:
    """The trips of each cell, by the lowest and highest codes of its box."""
    depths = cell_depths(keys_of(ends, minutes), k)
    counted = np.flatnonzero(depths != WITHHELD)
    low, high = bounds_of(codes_of(ends[counted], minutes[counted]), depths[counted])
    cells = defaultdict(list)
    for trip, *box in zip(counted.tolist(), map(tuple, low.tolist()), map(tuple, high.tolist()), strict=True):
        cells[box[0], box[1]].append(trip)
    return dict(cells)


@MANY
@given(SEEDS, SIZES, SETTLED, COUNTS)
def test_every_cell_has_k_trips_and_fewer_than_k_are_in_none(seed: int, size: int, kind: str, k: int) -> None:
    ends = random_trips(np.random.default_rng(seed), size, kind)
    cells = cells_of(ends, any_minutes(ends), k)
    assert all(len(trips) >= k for trips in cells.values())
    assert size - sum(map(len, cells.values())) < k


@MANY
@given(SEEDS, SIZES, SETTLED, COUNTS)
def test_cells_are_those_of_the_rule_in_words(seed: int, size: int, kind: str, k: int) -> None:
    ends = random_trips(np.random.default_rng(seed), size, kind)
    expected: dict[int, int] = {}
    divide(range(size), keys_as_ints(ends, any_minutes(ends)), 0, k, expected)
    found = cell_depths(keys_of(ends, any_minutes(ends)), k)
    assert found.tolist() == [expected.get(trip, WITHHELD) for trip in range(size)]


@MANY
@given(SEEDS, SIZES, SETTLED, COUNTS)
def test_a_cell_is_large_only_if_its_trips_have_one_smallest_box(
    seed: int, size: int, kind: str, k: int
) -> None:
    ends = random_trips(np.random.default_rng(seed), size, kind)
    for (low, high), trips in cells_of(ends, any_minutes(ends), k).items():
        assert len(trips) < 2 * k or low == high


@MANY
@given(SEEDS, SIZES, SETTLED, COUNTS)
def test_trips_and_the_centre_lie_in_the_box_of_their_cell(seed: int, size: int, kind: str, k: int) -> None:
    ends = random_trips(np.random.default_rng(seed), size, kind)
    minutes = any_minutes(ends)
    codes = codes_of(ends, minutes)
    depths = cell_depths(keys_of(ends, minutes), k)
    for (low, high), trips in cells_of(ends, minutes, k).items():
        assert (low <= codes[trips]).all()
        assert (codes[trips] <= high).all()
        centre = codes_of(*centres_of(codes[trips], depths[trips]))
        assert (low <= centre).all()
        assert (centre <= high).all()
        assert len(np.unique(centre, axis=0)) == 1


@MANY
@given(SEEDS, SIZES, SETTLED, COUNTS)
def test_the_order_of_trips_does_not_matter(seed: int, size: int, kind: str, k: int) -> None:
    rng = np.random.default_rng(seed)
    ends = random_trips(rng, size, kind)
    minutes = any_minutes(ends)
    order = rng.permutation(size)
    depths = cell_depths(keys_of(ends, minutes), k)
    assert np.array_equal(cell_depths(keys_of(ends[order], minutes[order]), k), depths[order])


def as_rows(ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> NDArray[np.float64]:
    rows = np.column_stack([ends, minutes])
    return rows[np.lexsort(rows.T)]


@MANY
@given(SEEDS, st.lists(SIZES, min_size=1, max_size=4), SETTLED, COUNTS)
def test_a_further_file_only_adds_whole_cells(seed: int, sizes: list[int], kind: str, k: int) -> None:
    rng = np.random.default_rng(seed)
    ends = random_trips(rng, sum(sizes), kind)
    minutes = any_minutes(ends)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    # Trips of all files, in any order.
    order = rng.permutation(len(ends))
    together = generalise(ends[order], minutes[order], groups[order], k)
    alone = [
        generalise(ends[groups == file], minutes[groups == file], groups[groups == file], k)
        for file in range(len(sizes))
    ]
    assert np.array_equal(
        as_rows(*together),
        as_rows(
            np.concatenate([each.ends for each in alone]), np.concatenate([each.minutes for each in alone])
        ),
    )


@pytest.mark.parametrize("trips", [1, 9, 10, 11, 19, 20, 1000])
def test_trips_at_one_place_and_time_are_one_cell(trips: int) -> None:
    ends = np.tile([7.68, 45.07, 7.66, 45.03], (trips, 1))
    found = generalise(ends, np.full(trips, 2000, np.uint16), np.zeros(trips, np.int64), 10)
    assert len(found.ends) == (trips if trips >= 10 else 0)
    # The centre of the smallest box, not the place itself.
    assert (np.abs(found.ends - [7.68, 45.07, 7.66, 45.03]) < 360 / 2**20).all()


def test_places_at_the_ends_of_the_world_are_in_boxes() -> None:
    ends = np.array([[-180.0, -90.0, 180.0, 90.0]] * 10)
    found = generalise(ends, np.full(10, 10_079, np.uint16), np.zeros(10, np.int64), 10)
    assert len(found.ends) == 10
    assert (np.abs(found.ends) <= [180, 90, 180, 90]).all()


@MANY
@given(SEEDS, SIZES, SETTLED, COUNTS)
def test_drawn_boxes_contain_the_ends_of_all_trips_that_they_count(
    seed: int, size: int, kind: str, k: int
) -> None:
    ends = random_trips(np.random.default_rng(seed), size, kind)
    minutes = any_minutes(ends)
    depths = cell_depths(keys_of(ends, minutes), k)
    counted = ends[depths != WITHHELD]
    found = generalise(ends, minutes, np.zeros(size, np.int64), k)
    world = WeeklyQuery("Anywhere", Box(-180.0, -90.0, 180.0, 90.0))
    boxes = as_answer(counted_boxes(found, world))
    for number, end in enumerate(("origin", "destination")):
        places = counted[:, 2 * number : 2 * number + 2]
        sides = [(each.box, each.trips) for each in boxes if each.end == end]
        assert sum(trips for _, trips in sides) == len(counted)
        assert all(trips >= k for _, trips in sides)
        inside = np.zeros(len(places), bool)
        for box, _ in sides:
            low, high = np.array([box.west, box.south]), np.array([box.east, box.north])
            # The code of a place is computed from degrees that are rounded to float64.
            inside |= ((places >= low - 1e-9) & (places <= high + 1e-9)).all(axis=1)
        assert inside.all()


@pytest.mark.parametrize(
    ("match", "inside", "ends"),
    [
        ("both", 10, {"origin", "destination"}),
        ("origin", 20, {"origin"}),
        ("destination", 10, {"destination"}),
        ("any", 20, {"origin", "destination"}),
    ],
)
def test_only_boxes_of_ends_in_the_area_are_drawn(match: Match, inside: int, ends: set[str]) -> None:
    trips = np.repeat([[7.68, 45.07, 7.66, 45.03], [7.68, 45.07, 9.19, 45.46]], 10, axis=0)
    found = generalise(trips, np.full(20, 480, np.uint16), np.zeros(20, np.int64), 10)
    for area in (
        {"box": Box(7.0, 45.0, 8.0, 46.0)},
        {"box": None, "polygon": shapely.box(7.0, 45.0, 8.0, 46.0)},
    ):
        query = WeeklyQuery("Turin", match=match, times=TimeFilter(("mon",)), **area)
        boxes = as_answer(counted_boxes(found, query))
        assert {box.end for box in boxes} == ends
        assert max(box.trips for box in boxes) == inside
        assert counted_boxes(found, query._replace(times=TimeFilter(("tue",)))).trips.size == 0
