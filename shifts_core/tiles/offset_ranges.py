"""The sides of a box as ranges of a leaf's offsets and of their high bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.box import Box
from shifts_core.tiles.format import DECIMALS, HIGH_BITS, OffsetScale, float_keys

_FAR = 1000.0
"""Degrees beyond every coordinate; sides are clipped to it."""
_LARGEST_HIGH_BITS = (1 << HIGH_BITS) - 1


@dataclass(frozen=True)
class OffsetRanges:
    """Which offsets lie between two sides of a box, for some (leaf, coordinate) pairs; shapes (k,).

    `first` and `last` are included; first > last means none.
    """

    first: NDArray[np.uint64]
    last: NDArray[np.uint64]
    scale: OffsetScale
    inverted: NDArray[np.bool_]
    """Offsets between the sides are outside the box: longitudes of a box that crosses the antimeridian."""

    def high_bits(self) -> NDArray[np.uint16]:
        """The ranges in terms of high bits; shape (k, 4).

        A row holds the first high bits and the number of high bits whose offsets all lie between the sides, then the
        same for high bits some of whose offsets may lie between them.
        """
        shifts = self.scale.shifts.astype(np.uint64)
        low_mask = (np.uint64(1) << shifts) - np.uint64(1)
        first, last = (self.first >> shifts).astype(np.int64), (self.last >> shifts).astype(np.int64)
        certain_first = first + ((self.first & low_mask) > 0)
        # No offset exceeds the leaf's largest, so the last high bits need not be covered to their end.
        certain_last = np.where(
            self.last >= self.scale.largest, _LARGEST_HIGH_BITS, last - ((self.last & low_mask) != low_mask)
        )
        empty = self.first > self.last
        certain_count = np.where(empty, 0, np.maximum(certain_last - certain_first + 1, 0))
        possible_count = np.where(empty, 0, last - first + 1)
        return np.stack([certain_first, certain_count, first, possible_count], axis=1).astype(np.uint16)

    def contain(self, rows: NDArray[np.int64], offsets: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether each offset lies inside the box, as for the (leaf, coordinate) pair of its row; shapes (n,)."""
        between = (offsets >= self.first[rows]) & (offsets <= self.last[rows])
        return between ^ self.inverted[rows]


def offset_ranges(
    box: Box, axes: NDArray[np.int64], decimals: NDArray[np.uint8], scale: OffsetScale
) -> OffsetRanges:
    """The ranges of offsets that lie in a box.

    Args:
        box: the box.
        axes: shape (k,): 0 to 3, origin lon, lat, destination lon, lat.
        decimals: shape (k,): of the keys.
        scale: shapes (k,): of the offsets.
    """
    crosses = box.west > box.east
    lon = axes % 2 == 0
    from_lon, to_lon = _keys_at_least(box.west), _keys_at_most(box.east)
    if crosses:
        from_lon, to_lon = _keys_at_most(box.east) + 1, _keys_at_least(box.west) - 1
    first_key = np.where(lon, from_lon[decimals], _keys_at_least(box.south)[decimals])
    last_key = np.where(lon, to_lon[decimals], _keys_at_most(box.north)[decimals])
    # A difference of two int64 fits into uint64; the subtraction wraps to it.
    first = np.where(first_key > scale.base, (first_key - scale.base).view(np.uint64), np.uint64(0))
    last = np.minimum((last_key - scale.base).view(np.uint64), scale.largest)
    empty = (last_key < scale.base) | (first_key > last_key) | (first > scale.largest)
    return OffsetRanges(
        np.where(empty, np.uint64(1), first), np.where(empty, np.uint64(0), last), scale, lon & crosses
    )


def _keys_at_least(side: float) -> NDArray[np.int64]:
    """For keys of each number of decimals (0: float keys), the smallest key whose value is not below a side."""
    side = min(max(side, -_FAR), _FAR)
    keys = np.full(max(DECIMALS) + 1, float_keys(np.array([side]))[0])
    for decimals in DECIMALS:
        scale = 10.0**decimals
        key = round(side * scale) - 2
        while key / scale < side:
            key += 1
        keys[decimals] = key
    return keys


def _keys_at_most(side: float) -> NDArray[np.int64]:
    """The same, the largest key whose value is not above a side."""
    keys = -_keys_at_least(-side)
    # Float keys are not symmetric: the key of -x is not the negative key of x.
    keys[0] = float_keys(np.array([min(max(side, -_FAR), _FAR)]))[0]
    return keys
