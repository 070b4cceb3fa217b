"""Tiles as bytes, and their decoding, exact to the last bit; `format.py` has the format, `encode.py` encodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.format import (
    COLUMNS,
    COORDINATES,
    DECIMALS,
    HIGH_BITS_DTYPE,
    LEAF_DTYPE,
    MINUTES,
    low_bytes,
    scale_of_bounds,
    values,
)


@dataclass(frozen=True)
class Tile:
    """An encoded tile."""

    trips: int
    leaves: bytes
    high_bits: bytes
    low_bits: bytes


class Leaves(NamedTuple):
    """Decoded leaf records of several tiles, one after the other; n leaves."""

    low: NDArray[np.float64]
    """Shape (n, 4): smallest origin lon, lat, destination lon, lat; degrees."""
    high: NDArray[np.float64]
    """Shape (n, 4): largest ones."""
    trips: NDArray[np.int64]
    """Shape (n,)."""
    decimals: NDArray[np.uint8]
    """Shape (n, 4): decimals of the keys, 0 for float keys."""


def decode_tile(tile: Tile) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Decodes the trips of one tile: what `encode_tile` was given, except that -0.0 becomes 0.0."""
    leaves = decode_leaves([tile.leaves])
    scale = scale_of_bounds(leaves.low, leaves.high, leaves.decimals)
    # One row per coordinate, as the bytes are ordered.
    base = np.repeat(scale.base, leaves.trips, axis=0).T
    shifts = np.repeat(scale.shifts, leaves.trips, axis=0).T
    decimals = np.repeat(leaves.decimals, leaves.trips, axis=0).T
    widths = low_bytes(shifts)
    starts = np.cumsum(widths).reshape(widths.shape) - widths
    high = np.frombuffer(tile.high_bits, HIGH_BITS_DTYPE).reshape(COLUMNS, tile.trips)
    offsets = decode_offsets(high[:COORDINATES], shifts, tile.low_bits, starts)
    return np.ascontiguousarray(values(offsets.view(np.int64) + base, decimals).T), high[MINUTES]


def decode_leaves(blobs: Sequence[bytes]) -> Leaves:
    """Decodes the column `leaves` of several tiles.

    Raises:
        ValueError: a record has an unknown number of decimals.
    """
    stored = np.frombuffer(b"".join(blobs), LEAF_DTYPE)
    if stored["decimals"].max(initial=0) > max(DECIMALS):
        raise ValueError("unknown decimals")
    return Leaves(
        stored["low"].copy(),
        stored["high"].copy(),
        stored["trips"].astype(np.int64),
        stored["decimals"].copy(),
    )


def decode_offsets(
    high_bits: NDArray[np.uint16], shifts: NDArray[np.int64], low_bits: bytes, starts: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Puts offsets together from their high and low bits; all arrays have one shape.

    Args:
        high_bits: of each offset.
        shifts: number of low bits of each offset.
        low_bits: bytes of the column `low_bits`.
        starts: index of each offset's first byte in `low_bits`.
    """
    stored = np.frombuffer(low_bits, np.uint8)
    widths = low_bytes(shifts)
    low = np.zeros((*starts.shape, 8), np.uint8)
    for byte in range(int(widths.max(initial=0))):
        has = widths > byte
        low[has, byte] = stored[starts[has] + byte]
    offsets: NDArray[np.uint64] = high_bits.astype(np.uint64) << shifts.astype(np.uint64)
    offsets |= low.view("<u8")[..., 0]
    return offsets
