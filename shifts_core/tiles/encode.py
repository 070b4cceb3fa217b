"""Coordinates of leaves as integers that keep every bit: short codes for the question, the rest for borders.

The package documentation describes the format.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CODE_BITS = 15
LEAF = np.dtype([("low", "<f8", 4), ("high", "<f8", 4), ("trips", "<u4"), ("digits", "u1", 4)])
_DECIMALS = (5, 6, 7)
_ALL_BUT_SIGN = np.int64(2**63 - 1)


class Encoded(NamedTuple):
    """One coordinate of the trips of some leaves."""

    digits: NDArray[np.uint8]
    """Shape (leaves,)."""
    codes: bytes
    rests: bytes


def encode(values: NDArray[np.float64]) -> Encoded:
    """One coordinate of leaves of equal length; shape (leaves, trips), degrees."""
    digits, keys = _keys(values)
    offsets = (keys - keys.min(axis=1, keepdims=True)).view(np.uint64)
    shifts = [max(0, int(largest).bit_length() - CODE_BITS) for largest in offsets.max(axis=1)]
    codes = (offsets >> np.array(shifts, np.uint64)[:, None]).astype("<u2")
    rests = b"".join(_lowest(of_leaf, shift) for of_leaf, shift in zip(offsets, shifts, strict=True) if shift)
    return Encoded(digits, codes.tobytes(), rests)


def _lowest(offsets: NDArray[np.uint64], shift: int) -> bytes:
    """The lowest bits of each offset in as few bytes as hold them."""
    bits = (offsets & np.uint64((1 << shift) - 1)).astype("<u8")
    return bits.view(np.uint8).reshape(-1, 8)[:, : (shift + 7) // 8].tobytes()


def _keys(values: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Integers in the order of the values, equal only for equal ones: decimals if all of a leaf are, else bits."""
    digits = np.zeros(len(values), np.uint8)
    # Adding zero makes -0.0 the zero that it equals.
    bits = (values + 0.0).view(np.int64)
    keys = bits ^ ((bits >> 63) & _ALL_BUT_SIGN)
    for decimals in _DECIMALS:
        open_ = np.flatnonzero(digits == 0)
        if not len(open_):
            break
        scale = 10.0**decimals
        scaled = np.rint(values[open_] * scale)
        exact = (scaled / scale == values[open_]).all(axis=1)
        digits[open_[exact]] = decimals
        keys[open_[exact]] = scaled[exact].astype(np.int64)
    return digits, keys
