"""Searches in the k-d tree find the trips that a comparison with every trip finds, after removals, too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.clustering.build_tree import build_in_place
from shifts_core.clustering.counting import count_neighbours
from shifts_core.clustering.kd_tree import (
    DAY_S,
    STACK_SIZE,
    KDTree,
    SearchRadius,
    count_within,
    find_within,
    remove,
    with_alive,
)
from tests.unit.core.clustering.scenarios import random_town, time_distance_s


def find_by_brute_force(tree: KDTree, point: NDArray[np.float64], radius: SearchRadius) -> set[int]:
    squares = (tree.points[:, :4] - point[:4]) ** 2
    origin, destination = squares[:, :2].sum(axis=1), squares[:, 2:].sum(axis=1)
    limit = radius.distance_m**2
    found = (origin + destination <= limit) if radius.joint else (origin <= limit) & (destination <= limit)
    found &= tree.alive & (time_distance_s(tree.points[:, 4], point[4]) <= radius.time_s)
    return set(np.flatnonzero(found).tolist())


def find_by_tree(tree: KDTree, point: NDArray[np.float64], radius: SearchRadius) -> list[int]:
    found = np.empty(len(tree.points), np.int64)
    count = find_within(tree, point, radius, np.empty(STACK_SIZE, np.int64), found)
    return sorted(found[:count].tolist())


@pytest.mark.parametrize("joint", [True, False])
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 2_000), st.integers(0, 43_200), st.integers(1, 300))
def test_every_trip_within_the_radius_is_found_once(
    joint: bool, seed: int, distance_m: float, time_s: int, trips: int
) -> None:
    metres, times = random_town(seed, trips)
    tree, _ = build_in_place(np.column_stack([metres, times]), 0.3)
    rng = np.random.default_rng(seed)
    tree = with_alive(tree, rng.random(trips) < 0.8)
    for trip in np.flatnonzero(tree.alive)[::4]:
        remove(tree, trip)
    radius, stack = SearchRadius(distance_m, float(time_s), joint), np.empty(STACK_SIZE, np.int64)
    for point in (tree.points[0].copy(), tree.points[-1].copy(), np.append(tree.points[0, :4], 5.0)):
        before = point.copy()
        expected = find_by_brute_force(tree, point, radius)
        assert find_by_tree(tree, point, radius) == sorted(expected)
        assert count_within(tree, point, radius, trips + 1, stack) == len(expected)
        assert count_within(tree, point, radius, 3, stack) >= min(3, len(expected))
        np.testing.assert_array_equal(point, before)


def test_a_time_radius_of_half_a_day_finds_no_trip_twice() -> None:
    times = np.array([0.0, DAY_S / 2, DAY_S / 4, DAY_S - 1])
    tree, order = build_in_place(np.column_stack([np.zeros((4, 4)), times]), 0.3)
    found = find_by_tree(tree, np.array([0, 0, 0, 0, 0.0]), SearchRadius(1.0, DAY_S / 2, False))
    assert sorted(order[found].tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("joint", [True, False])
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 2_000), st.integers(0, 43_200), st.integers(1, 2_000))
def test_counting_all_trips_at_once_equals_counting_each(
    joint: bool, seed: int, distance_m: float, time_s: int, trips: int
) -> None:
    metres, times = random_town(seed, trips)
    tree, _ = build_in_place(np.column_stack([metres, times]), 0.3)
    rng = np.random.default_rng(seed)
    tree, queried = with_alive(tree, rng.random(trips) < 0.8), rng.random(trips) < 0.5
    radius, stack = SearchRadius(distance_m, float(time_s), joint), np.empty(STACK_SIZE, np.int64)
    expected = [
        count_within(tree, point.copy(), radius, trips + 1, stack) if wanted else 0
        for point, wanted in zip(tree.points, queried, strict=True)
    ]
    assert count_neighbours(tree, radius, queried).tolist() == expected
