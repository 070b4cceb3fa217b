"""The k-d order: every part is split as a k-d tree splits it, for any values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.tiles.format import LEAF_TRIPS, TILE_TRIPS
from shifts_core.tiles.k_d_order import k_d_order
from tests.unit.core.tiles.random_trips import KINDS, any_minutes, random_trips


def is_split(ends: NDArray[np.float64], start: int, stop: int) -> bool:
    """Whether each part is divided along some coordinate, down to its leaves."""
    if stop - start <= LEAF_TRIPS:
        return True
    unit = TILE_TRIPS if stop - start > TILE_TRIPS else LEAF_TRIPS
    middle = start + unit * (-(-(stop - start) // unit) // 2)
    divided = (ends[start:middle].max(axis=0) <= ends[middle:stop].min(axis=0)).any()
    return bool(divided) and is_split(ends, start, middle) and is_split(ends, middle, stop)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3 * TILE_TRIPS), st.sampled_from(KINDS))
def test_parts_of_any_trips_are_split_along_a_coordinate(seed: int, trips: int, kind: str) -> None:
    ends = random_trips(np.random.default_rng(seed), trips, kind)
    ordered = ends.copy()
    k_d_order(ordered, any_minutes(ordered))
    assert is_split(ordered, 0, trips)
    assert np.array_equal(ordered[np.lexsort(ordered.T)], ends[np.lexsort(ends.T)])


@pytest.mark.parametrize(
    "shape", ["ascending", "descending", "organ pipe", "equal", "two values", "sawtooth"]
)
def test_orders_that_slow_down_quicksort_are_split(shape: str) -> None:
    n = 300_000
    steps = np.arange(n, dtype=np.float64)
    column = {
        "ascending": steps,
        "descending": -steps,
        "organ pipe": np.minimum(steps, n - steps),
        "equal": 0 * steps,
        "two values": steps % 2,
        "sawtooth": steps % 1000,
    }[shape]
    ends = np.ascontiguousarray(np.stack([column, column[::-1], column / 2, -column], axis=1))
    k_d_order(ends, any_minutes(ends))
    assert is_split(ends, 0, n)
