"""The sides of a box as intervals of a leaf's offsets and codes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.box import Box
from shifts_core.tiles.decode import CODE_BITS, keys_of_bits

_FAR = 1000.0
"""No coordinate is beyond; a side that is may be moved here."""
_MAX_DIGITS = 7
_LAST_CODE = (1 << CODE_BITS) - 1


@dataclass(frozen=True)
class Intervals:
    """Which offsets of each row (a coordinate of a leaf) lie between the box's sides; shapes (rows,).

    First and last are included, first > last stands for none.
    """

    first: NDArray[np.uint64]
    last: NDArray[np.uint64]
    shifts: NDArray[np.int64]
    largest: NDArray[np.uint64]
    """Of the offsets that occur."""
    inverted: NDArray[np.bool_]
    """What lies between is outside: a box across the antimeridian."""

    def some(self, rows: NDArray[np.int64]) -> "Intervals":
        """Those of some rows."""
        return Intervals(
            self.first[rows], self.last[rows], self.shifts[rows], self.largest[rows], self.inverted[rows]
        )

    def codes(self) -> tuple[NDArray[np.uint16], ...]:
        """First code and number of codes whose every offset lies between, then of those of which any may."""
        shifts = self.shifts.astype(np.uint64)
        unit = (np.uint64(1) << shifts) - np.uint64(1)
        first, last = (self.first >> shifts).astype(np.int64), (self.last >> shifts).astype(np.int64)
        certain_first = first + ((self.first & unit) > 0)
        # The last code of a leaf need not be filled.
        to_end = self.last >= self.largest
        certain_last = np.where(to_end, _LAST_CODE, last - ((self.last & unit) != unit))
        none = self.first > self.last
        certain_count = np.where(none, 0, np.maximum(certain_last - certain_first + 1, 0))
        count = np.where(none, 0, last - first + 1)
        return tuple(side.astype(np.uint16) for side in (certain_first, certain_count, first, count))


def intervals(
    box: Box,
    axes: NDArray[np.int64],
    digits: NDArray[np.uint8],
    base: NDArray[np.int64],
    largest: NDArray[np.uint64],
    shifts: NDArray[np.int64],
) -> Intervals:
    """The box's sides for rows.

    Args:
        box: closed.
        axes: shape (rows,): 0 to 3, origin lon, lat, destination lon, lat.
        digits: shape (rows,), as stored.
        base: shape (rows,), key of the smallest value.
        largest: shape (rows,), largest offset.
        shifts: shape (rows,).
    """
    wrapped = box.west > box.east
    lon = axes % 2 == 0
    from_lon, to_lon = _at_least(box.west), _at_most(box.east)
    if wrapped:
        from_lon, to_lon = _at_most(box.east) + 1, _at_least(box.west) - 1
    first_key = np.where(lon, from_lon[digits], _at_least(box.south)[digits])
    last_key = np.where(lon, to_lon[digits], _at_most(box.north)[digits])
    # Differences of keys need 64 bits without a sign; they wrap into the right ones.
    first = np.where(first_key > base, (first_key - base).view(np.uint64), np.uint64(0))
    last = np.minimum((last_key - base).view(np.uint64), largest)
    none = (last_key < base) | (first_key > last_key) | (first > largest)
    return Intervals(
        np.where(none, np.uint64(1), first),
        np.where(none, np.uint64(0), last),
        shifts,
        largest,
        lon & wrapped,
    )


def _at_least(side: float) -> NDArray[np.int64]:
    """By digits: the smallest key whose value is not below."""
    side = min(max(side, -_FAR), _FAR)
    keys = np.full(_MAX_DIGITS + 1, keys_of_bits(np.array([side]))[0])
    for digits in range(1, _MAX_DIGITS + 1):
        scale = 10.0**digits
        key = round(side * scale) - 2
        while key / scale < side:
            key += 1
        keys[digits] = key
    return keys


def _at_most(side: float) -> NDArray[np.int64]:
    """By digits: the largest key whose value is not above."""
    # Keys of bits lie around 0 like those of decimals.
    keys = -_at_least(-side)
    keys[0] = keys_of_bits(np.array([min(max(side, -_FAR), _FAR)]))[0]
    return keys
