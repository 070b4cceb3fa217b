"""Tiles decode to exactly the coordinates that were encoded."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from shifts_core.tiles.codec import decode_leaves, decode_tile
from shifts_core.tiles.encode import encode_tile
from shifts_core.tiles.format import DECIMALS, LEAF_DTYPE, LEAF_TRIPS, TILE_TRIPS, float_keys
from tests.unit.core.tiles.random_trips import KINDS, any_minutes, random_trips, tiles_of

DEGREES = st.floats(-180, 180, allow_subnormal=True)
SHORT = st.integers(-18_000_000, 18_000_000).flatmap(lambda n: st.sampled_from([n / 1e5, n / 1e6, n / 1e7]))


def bits(values: NDArray[np.float64]) -> list[list[int]]:
    """The bits of float64 values, with 0.0 in place of -0.0."""
    found: list[list[int]] = (values + 0.0).view(np.int64).tolist()
    return found


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 40), st.just(4)), elements=st.one_of(DEGREES, SHORT)))
def test_any_coordinates_are_decoded_to_the_last_bit(ends: NDArray[np.float64]) -> None:
    assert bits(decode_tile(encode_tile(ends, any_minutes(ends)))[0]) == bits(ends)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3 * LEAF_TRIPS), st.sampled_from(KINDS))
def test_every_kind_of_trips_is_decoded_to_the_last_bit(seed: int, trips: int, kind: str) -> None:
    ends = random_trips(np.random.default_rng(seed), trips, kind)
    assert bits(decode_tile(encode_tile(ends, any_minutes(ends)))[0]) == bits(ends)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 2 * TILE_TRIPS), st.sampled_from(KINDS))
def test_the_tiles_of_a_pair_hold_each_of_its_trips_once(seed: int, trips: int, kind: str) -> None:
    ends = random_trips(np.random.default_rng(seed), trips, kind)
    decoded = np.concatenate([decode_tile(tile)[0] for tile in tiles_of(ends)])
    assert sorted(bits(decoded)) == sorted(bits(ends))


def test_a_full_tile_of_short_decimals_takes_ten_bytes_per_trip_and_a_record_per_leaf() -> None:
    ends = np.round(np.random.default_rng(1).uniform(7.60, 7.603, (TILE_TRIPS, 4)), 7)
    tile = encode_tile(ends, any_minutes(ends))
    assert len(tile.leaves) == 64 * LEAF_DTYPE.itemsize
    assert len(tile.high_bits) == 10 * TILE_TRIPS
    assert tile.low_bits == b""


def test_the_bytes_are_those_of_the_documented_format() -> None:
    ends = np.array([[7.5, 45.0, -1.0, 0.1], [7.500001, 45.5, -1.0, 1 / 3]])
    tile = encode_tile(ends, np.array([8 * 60, 10_079], np.uint16))
    assert tile.leaves == struct.pack(
        "<8dI4B", 7.5, 45.0, -1.0, 0.1, 7.500001, 45.5, -1.0, 1 / 3, 2, 6, 5, 5, 0
    )
    offset = int(float_keys(np.array([1 / 3]))[0] - float_keys(np.array([0.1]))[0])
    shift = offset.bit_length() - 15
    # 0.5 degrees are 50,000 steps of 1e-5: 16 bits, one of them low.
    assert tile.high_bits == struct.pack("<10H", 0, 1, 0, 50_000 >> 1, 0, 0, 0, offset >> shift, 480, 10_079)
    low = (offset & ((1 << shift) - 1)).to_bytes((shift + 7) // 8, "little")
    assert tile.low_bits == b"\0" * 2 + b"\0" * len(low) + low


def test_leaf_records_of_several_tiles_are_decoded_in_order() -> None:
    tiles = [
        encode_tile(np.full((trips, 4), float(trips)), np.zeros(trips, np.uint16))
        for trips in (3, LEAF_TRIPS + 1)
    ]
    leaves = decode_leaves([tile.leaves for tile in tiles])
    assert leaves.trips.tolist() == [3, LEAF_TRIPS, 1]
    assert leaves.low[:, 0].tolist() == [3.0, LEAF_TRIPS + 1.0, LEAF_TRIPS + 1.0]


@pytest.mark.parametrize(
    ("low", "high"), [(-180.0, 180.0), (-500 / 3, 500 / 3), (-1e-300, 1e-300), (0.0, 5e-324)]
)
def test_the_widest_and_the_narrowest_leaf_are_decoded(low: float, high: float) -> None:
    ends = np.array([[low, high] * 2, [high, low] * 2])
    assert bits(decode_tile(encode_tile(ends, any_minutes(ends)))[0]) == bits(ends)


def test_leaves_with_an_unknown_number_of_decimals_are_refused() -> None:
    leaves = np.zeros(1, LEAF_DTYPE)
    leaves["trips"], leaves["decimals"] = 1, max(DECIMALS) + 1
    with pytest.raises(ValueError, match="unknown decimals"):
        decode_leaves([leaves.tobytes()])
