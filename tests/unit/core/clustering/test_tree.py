"""What the tree counts and finds is what looking at every trip finds, trips taken away included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.clustering.tree import DAY_S, STACK, Near, Tree, count_near, find_near, grow, only, take
from tests.unit.core.clustering.scenarios import a_town, apart_s


def near_by_looking(tree: Tree, place: NDArray[np.float64], near: Near) -> set[int]:
    squares = (tree.places[:, :4] - place[:4]) ** 2
    origin, destination = squares[:, :2].sum(axis=1), squares[:, 2:].sum(axis=1)
    limit = near.reach_m**2
    found = (origin + destination <= limit) if near.jointly else (origin <= limit) & (destination <= limit)
    found &= tree.there & (apart_s(tree.places[:, 4], place[4]) <= near.reach_s)
    return set(np.flatnonzero(found).tolist())


def near_by_tree(tree: Tree, place: NDArray[np.float64], near: Near) -> list[int]:
    found = np.empty(len(tree.places), np.int64)
    count = find_near(tree, place, near, np.empty(STACK, np.int64), found)
    return sorted(found[:count].tolist())


@pytest.mark.parametrize("jointly", [True, False])
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 2_000), st.integers(0, 43_200), st.integers(1, 300))
def test_trips_near_a_place_and_time_are_found_each_once(
    jointly: bool, seed: int, reach_m: float, reach_s: int, trips: int
) -> None:
    metres, times = a_town(seed, trips)
    tree, _ = grow(np.column_stack([metres, times]), 0.3)
    rng = np.random.default_rng(seed)
    tree = only(tree, rng.random(trips) < 0.8)
    for trip in np.flatnonzero(tree.there)[::4]:
        take(tree, trip)
    near, stack = Near(reach_m, float(reach_s), jointly), np.empty(STACK, np.int64)
    for place in (tree.places[0].copy(), tree.places[-1].copy(), np.append(tree.places[0, :4], 5.0)):
        before = place.copy()
        expected = near_by_looking(tree, place, near)
        assert near_by_tree(tree, place, near) == sorted(expected)
        assert count_near(tree, place, near, trips + 1, stack) == len(expected)
        assert count_near(tree, place, near, 3, stack) >= min(3, len(expected))
        np.testing.assert_array_equal(place, before)


def test_a_reach_of_half_a_day_finds_nobody_from_both_sides() -> None:
    times = np.array([0.0, DAY_S / 2, DAY_S / 4, DAY_S - 1])
    tree, of_tree = grow(np.column_stack([np.zeros((4, 4)), times]), 0.3)
    found = near_by_tree(tree, np.array([0, 0, 0, 0, 0.0]), Near(1.0, DAY_S / 2, False))
    assert sorted(of_tree[found].tolist()) == [0, 1, 2, 3]
