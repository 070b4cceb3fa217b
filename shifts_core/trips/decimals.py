"""Compiled conversion of decimal text to the nearest double: exact, or refused.

The product method of D. Lemire, "Number parsing at a gigabyte per second" (2021), with W. Clinger's exact
shortcut for short numbers. Where rounding depends on digits beyond 128 bits it refuses instead of guessing.
"""

import math
from fractions import Fraction

import numba
import numpy as np
from numpy.typing import NDArray

_LOWEST, _HIGHEST = -60, 30
"""Powers of ten with a table entry; numbers outside are not coordinates and are left to slower code."""


def _powers_of_five() -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """128 leading bits of each 5^q, cut off below, as two words, and the binary exponent of the last bit."""
    high, low, exponents = [], [], []
    for q in range(_LOWEST, _HIGHEST + 1):
        power = Fraction(5) ** q
        exponent = math.frexp(power)[1] - 128
        bits = math.floor(power / Fraction(2) ** exponent)
        high.append(bits >> 64)
        low.append(bits & (2**64 - 1))
        exponents.append(exponent)
    return np.array(high, np.uint64), np.array(low, np.uint64), np.array(exponents, np.int64)


_HIGH, _LOW, _EXPONENTS = _powers_of_five()
_TENS = np.array([10.0**q for q in range(23)])
_TWOS = np.array([2.0**e for e in range(-400, 401)])

_U0, _U1, _U9, _U10, _U32, _U63 = (np.uint64(n) for n in (0, 1, 9, 10, 32, 63))
_WORD = np.uint64(0xFFFFFFFF)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_SHORT = np.uint64(2**53)
_TOP = np.uint64(2**63)
_NINE_BITS = np.uint64(0x1FF)
_NO_NUMBER = (0.0, -1)

_MINUS, _PLUS, _DOT, _ZERO, _NINE, _EXPONENT = 45, 43, 46, 48, 57, 101
_SHORT_DIGITS = 15
"""Integers of so many digits are doubles."""


@numba.njit(cache=True, nogil=True)
def _times(a, b):  # type: ignore[no-untyped-def]
    """The 128-bit product of two words, as two words."""
    a_low, a_high, b_low, b_high = a & _WORD, a >> _U32, b & _WORD, b >> _U32
    low = a_low * b_low
    middle = a_high * b_low + (low >> _U32)
    other = a_low * b_high + (middle & _WORD)
    return a_high * b_high + (middle >> _U32) + (other >> _U32), a * b


@numba.njit(cache=True, nogil=True)
def _nearest(digits, q):  # type: ignore[no-untyped-def]
    """The double nearest to digits × 10^q, and whether it is certain."""
    if digits <= _SHORT and -22 <= q <= 22:
        # Both factors are exact, so the result is rounded once.
        if q < 0:
            return float(digits) / _TENS[-q], True
        return float(digits) * _TENS[q], True
    if digits == _U0:
        return 0.0, True
    if q < _LOWEST or q > _HIGHEST:
        return 0.0, False
    shift = 0
    while digits < _TOP:
        digits <<= _U1
        shift += 1
    high, low = _times(digits, _HIGH[q - _LOWEST])
    if high & _NINE_BITS == _NINE_BITS:
        carry, _ = _times(digits, _LOW[q - _LOWEST])
        low += carry
        if low < carry:
            high += _U1
        # The cut-off bits are worth less than two units of `low`.
        if high & _NINE_BITS == _NINE_BITS and low >= _ALL - _U1:
            return 0.0, False
    upper = high >> _U63
    cut = upper + _U9
    kept = high >> cut
    if kept & _U1 and high == kept << cut:
        # Possibly halfway between two doubles.
        return 0.0, False
    kept = (kept + (kept & _U1)) >> _U1
    return float(kept) * _TWOS[_EXPONENTS[q - _LOWEST] + q - shift + 128 + np.int64(cut) + 1 + 400], True


@numba.njit(cache=True, nogil=True)
def _read_any(data, pos):  # type: ignore[no-untyped-def]
    """As `read_number`, with any number of digits and an exponent."""
    negative = data[pos] == _MINUS
    if negative or data[pos] == _PLUS:
        pos += 1
    digits, kept, seen, q = _U0, 0, 0, 0
    dropped = False
    fraction = False
    while True:
        char = data[pos]
        if _ZERO <= char <= _NINE:
            seen += 1
            if kept < 19:
                digits = digits * _U10 + np.uint64(char - _ZERO)
                kept += digits != _U0
                q -= fraction
            else:
                dropped = dropped or char != _ZERO
                q += not fraction
        elif char == _DOT and not fraction:
            fraction = True
        else:
            break
        pos += 1
    if seen == 0:
        return _NO_NUMBER
    if data[pos] | 32 == _EXPONENT:
        pos += 1
        down = data[pos] == _MINUS
        if down or data[pos] == _PLUS:
            pos += 1
        exponent, start = 0, pos
        while _ZERO <= data[pos] <= _NINE:
            exponent = min(exponent * 10 + int(data[pos] - _ZERO), 9999)
            pos += 1
        if pos == start:
            return _NO_NUMBER
        q += -exponent if down else exponent
    value, sure = _nearest(digits, q)
    if dropped:
        above, sure_above = _nearest(digits + _U1, q)
        sure = sure and sure_above and value == above
    if not sure:
        return _NO_NUMBER
    return -value if negative else value, pos


@numba.njit(cache=True, nogil=True)
def read_number(data, pos):  # type: ignore[no-untyped-def]
    """The decimal number at `pos` as a double, and the position after it, -1 if the number is refused.

    `data` must have a byte after the number that is not part of it.
    """
    start = pos
    negative = data[pos] == _MINUS
    pos += negative
    first = pos
    digits = np.int64(0)
    digit = np.int64(data[pos]) - _ZERO
    while 0 <= digit <= 9:
        digits = digits * 10 + digit
        pos += 1
        digit = np.int64(data[pos]) - _ZERO
    count, decimals = pos - first, 0
    if digit == _DOT - _ZERO:
        pos += 1
        first = pos
        digit = np.int64(data[pos]) - _ZERO
        while 0 <= digit <= 9:
            digits = digits * 10 + digit
            pos += 1
            digit = np.int64(data[pos]) - _ZERO
        decimals = pos - first
        count += decimals
    if not 0 < count <= _SHORT_DIGITS or data[pos] | 32 == _EXPONENT:
        return _read_any(data, start)
    # As in `_nearest`: both are exact.
    value = digits / _TENS[decimals]
    return -value if negative else value, pos
