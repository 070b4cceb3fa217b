"""Bounds and counts of a region's tiles and leaves: what a count looks at first, and what decides most of it."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.codec import Leaves
from shifts_core.tiles.format import LEAF_DTYPE, LEAF_TRIPS


class TileRow(NamedTuple):
    """A row of `weekly_trip_tiles` without high and low bits."""

    week: date
    segment: int
    number: int
    """Within the segment."""
    sign: int
    """-1 if the segment subtracts its trips, else 1."""
    trips: int
    has_minutes: bool
    """Whether the tile stores when trips start: those of older versions do not."""
    leaves: bytes


class Tiles(NamedTuple):
    """The t tiles of a region, by week, segment and number."""

    week_of: NDArray[np.int64]
    """Shape (t,): position of each tile's week among the region's weeks."""
    segments: NDArray[np.int64]
    """Shape (t,): number of each tile's segment."""
    numbers: NDArray[np.int64]
    """Shape (t,): within the segment, as stored."""
    signs: NDArray[np.int64]
    """Shape (t,): -1 if the segment subtracts its trips, else 1."""
    trips: NDArray[np.int64]
    """Shape (t,)."""
    has_minutes: NDArray[np.int64]
    """Shape (t,): 1 for tiles that store when trips start, else 0."""
    low: NDArray[np.float64]
    """Shape (t, 4): smallest origin lon, lat, destination lon, lat; degrees."""
    high: NDArray[np.float64]
    """Shape (t, 4): largest ones."""
    leaf_starts: NDArray[np.int64]
    """Shape (t + 1,): position of each tile's first leaf among the region's leaves."""


def tiles_of_leaves(
    week_of: NDArray[np.int64],
    segments: NDArray[np.int64],
    numbers: NDArray[np.int64],
    signs: NDArray[np.int64],
    trips: NDArray[np.int64],
    has_minutes: NDArray[np.int64],
    leaf_counts: NDArray[np.int64],
    leaves: Leaves,
) -> Tiles:
    """Tiles with the bounds of their leaves.

    Args:
        week_of: shape (t,).
        segments: shape (t,).
        numbers: shape (t,).
        signs: shape (t,).
        trips: shape (t,), as stored beside the leaves.
        has_minutes: shape (t,).
        leaf_counts: shape (t,).
        leaves: of all tiles, in their order.

    Raises:
        ValueError: counts of trips and leaves contradict each other, so that high bits would not be found.
    """
    starts = np.concatenate([[0], np.cumsum(leaf_counts)])
    _check(leaves, starts, trips)
    if len(trips) == 0:
        return Tiles(week_of, segments, numbers, signs, trips, has_minutes, leaves.low, leaves.high, starts)
    low = np.minimum.reduceat(leaves.low, starts[:-1], axis=0)
    high = np.maximum.reduceat(leaves.high, starts[:-1], axis=0)
    return Tiles(week_of, segments, numbers, signs, trips, has_minutes, low, high, starts)


def count_leaf_records(rows: Sequence[TileRow]) -> NDArray[np.int64]:
    """Leaves in each tile; shape (tiles,)."""
    return np.array([len(row.leaves) // LEAF_DTYPE.itemsize for row in rows], np.int64)


def ranges(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """The integers of several ranges, one range after the other."""
    counts = stops - starts
    numbers: NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(
        starts - (np.cumsum(counts) - counts), counts
    )
    return numbers


def _check(leaves: Leaves, starts: NDArray[np.int64], trips: NDArray[np.int64]) -> None:
    """High bits are found by the position of their leaf, so all leaves of a tile but the last must be full."""
    counts = np.diff(starts)
    last = leaves.trips[starts[1:] - 1] if len(leaves.trips) else trips[:0]
    others = np.delete(leaves.trips, starts[1:] - 1)
    if (
        (counts < 1).any()
        or (others != LEAF_TRIPS).any()
        or (last < 1).any()
        or (last > LEAF_TRIPS).any()
        or (LEAF_TRIPS * (counts - 1) + last != trips).any()
    ):
        raise ValueError("tiles and their leaves do not fit together")
