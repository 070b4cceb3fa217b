"""The sides of a box as ranges of a leaf's offsets and of their high bits."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.box import Box
from shifts_core.tiles.codec import Leaves
from shifts_core.tiles.format import DECIMALS, HIGH_BITS, float_keys, key_of, largest_offset, shift_of

_FAR = 1000.0
"""Degrees beyond every coordinate; sides are clipped to it."""
_LARGEST_HIGH_BITS = np.int64((1 << HIGH_BITS) - 1)


class OffsetRanges(NamedTuple):
    """Which offsets lie between two sides of a box, for the coordinates of k leaves that decide.

    For longitudes of a box that crosses the antimeridian, offsets between the sides are outside the box.
    """

    first: NDArray[np.uint64]
    """Shape (k, 4): the first offset between the sides."""
    last: NDArray[np.uint64]
    """Shape (k, 4): the last one; first > last means none."""
    shifts: NDArray[np.int64]
    """Shape (k, 4): number of low bits of the offsets."""
    high_bits: NDArray[np.uint16]
    """Shape (k, 4, 4): the first high bits and the number of high bits whose offsets all lie between the sides, then
    the same for high bits some of whose offsets may lie between them."""


def offset_ranges(
    box: Box, leaves: Leaves, chosen: NDArray[np.int64], axes: NDArray[np.bool_]
) -> OffsetRanges:
    """The ranges of offsets that lie in a box.

    Args:
        box: the box.
        leaves: of a region.
        chosen: shape (k,): positions among the leaves.
        axes: shape (k, 4): the coordinates that decide; the others have no ranges.
    """
    sides = np.empty((2, 2, max(DECIMALS) + 1), np.int64)
    if box.west <= box.east:
        sides[0] = _keys_at_least(box.west), _keys_at_most(box.east)
    else:
        sides[0] = _keys_at_most(box.east) + 1, _keys_at_least(box.west) - 1
    sides[1] = _keys_at_least(box.south), _keys_at_most(box.north)
    size = len(chosen)
    ranges = OffsetRanges(
        np.zeros((size, 4), np.uint64),
        np.zeros((size, 4), np.uint64),
        np.zeros((size, 4), np.int64),
        np.zeros((size, 4, 4), np.uint16),
    )
    _fill(sides, leaves.low, leaves.high, leaves.decimals, chosen, axes, *ranges)
    return ranges


@numba.njit(cache=True, nogil=True)
def _fill(sides, low, high, decimals, chosen, axes, first, last, shifts, high_bits):  # type: ignore[no-untyped-def]
    """Fills `OffsetRanges`; `sides` (2, 2, decimals) has the first and last key for longitudes and latitudes."""
    for number in range(len(chosen)):
        leaf = chosen[number]
        for axis in range(4):
            if not axes[number, axis]:
                continue
            places = decimals[leaf, axis]
            base = key_of(low[leaf, axis], places)
            largest = largest_offset(base, key_of(high[leaf, axis], places))
            shift = shift_of(largest)
            shifts[number, axis] = shift
            first_key, last_key = sides[axis % 2, 0, places], sides[axis % 2, 1, places]
            since = largest_offset(base, first_key) if first_key > base else np.uint64(0)
            until = min(largest_offset(base, last_key), largest)
            if last_key < base or first_key > last_key or since > largest:
                first[number, axis] = 1
                continue
            first[number, axis], last[number, axis] = since, until
            _cut(since, until, largest, np.uint64(shift), high_bits[number, axis])


@numba.njit(cache=True, nogil=True)
def _cut(first, last, largest, shift, high_bits):  # type: ignore[no-untyped-def]
    """Fills a row of `OffsetRanges.high_bits`."""
    low_mask = (np.uint64(1) << shift) - np.uint64(1)
    first_high, last_high = np.int64(first >> shift), np.int64(last >> shift)
    certain_first = first_high + np.int64((first & low_mask) > np.uint64(0))
    # No offset exceeds the leaf's largest, so the last high bits need not be covered to their end.
    certain_last = last_high - np.int64((last & low_mask) != low_mask)
    if last >= largest:
        certain_last = _LARGEST_HIGH_BITS
    high_bits[0], high_bits[1] = certain_first, max(certain_last - certain_first + 1, 0)
    high_bits[2], high_bits[3] = first_high, last_high - first_high + 1


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
