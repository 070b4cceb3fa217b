"""Compiled parsers of points and timestamps, exact for usual notations; they leave all others to slower code."""

import numba
import numpy as np

from shifts_core.trips.decimals import read_number
from shifts_core.trips.rules import MAX_LATITUDE, MAX_LONGITUDE

UNSURE = -1
"""The position that a parser returns for text that it leaves to reject_reasons.py."""
_BLANK, _TAB = 32, 9
_OPEN, _CLOSE, _DOT, _MINUS, _COLON = 40, 41, 46, 45, 58
_SECOND = 1_000_000
_DAYS_BEFORE_MONTH = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])
_DAYS_TO_1970 = 719_162


@numba.njit(cache=True, nogil=True)
def _skip_blanks(data, pos):  # type: ignore[no-untyped-def]
    while data[pos] == _BLANK or data[pos] == _TAB:
        pos += 1
    return pos


@numba.njit(cache=True, nogil=True)
def parse_point(data, pos):  # type: ignore[no-untyped-def]
    """Longitude and latitude of the WKT point at `pos`, in degrees, and the position after it or UNSURE.

    `data` must have a byte after the point that is not part of it.
    """
    pos = _skip_blanks(data, pos)
    for letter in (112, 111, 105, 110, 116):
        if data[pos] | 32 != letter:
            return 0.0, 0.0, UNSURE
        pos += 1
    pos = _skip_blanks(data, pos)
    if data[pos] != _OPEN:
        return 0.0, 0.0, UNSURE
    lon, pos = read_number(data, _skip_blanks(data, pos + 1))
    if pos < 0:
        return 0.0, 0.0, UNSURE
    second = _skip_blanks(data, pos)
    if second == pos:
        return 0.0, 0.0, UNSURE
    lat, pos = read_number(data, second)
    if pos < 0:
        return 0.0, 0.0, UNSURE
    pos = _skip_blanks(data, pos)
    if data[pos] != _CLOSE or abs(lon) > MAX_LONGITUDE or abs(lat) > MAX_LATITUDE:
        return 0.0, 0.0, UNSURE
    return lon, lat, _skip_blanks(data, pos + 1)


@numba.njit(cache=True, nogil=True)
def _two_digits(data, pos):  # type: ignore[no-untyped-def]
    """The number of two digits at `pos`, or a large negative number."""
    tens, ones = np.int64(data[pos]) - 48, np.int64(data[pos + 1]) - 48
    if 0 <= tens <= 9 and 0 <= ones <= 9:
        return tens * 10 + ones
    return -10_000


@numba.njit(cache=True, nogil=True)
def parse_timestamp(data, pos, end):  # type: ignore[no-untyped-def]
    """Microseconds since 1970 of the timestamp at `pos`, and the position after it or UNSURE.

    `end` is where the text ends at the latest; `data` must have a byte after the timestamp that is not part of it.
    """
    pos = _skip_blanks(data, pos)
    if end - pos < 19:
        return 0, UNSURE
    year = _two_digits(data, pos) * 100 + _two_digits(data, pos + 2)
    month, day = _two_digits(data, pos + 5), _two_digits(data, pos + 8)
    if data[pos + 4] != _MINUS or data[pos + 7] != _MINUS or year < 1 or not 1 <= month <= 12 or day < 1:
        return 0, UNSURE
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    month_days = 30 + (month + month // 8) % 2 if month != 2 else 28 + leap
    if day > month_days:
        return 0, UNSURE
    pos += 10
    if data[pos] | 32 == 116:
        pos += 1
    else:
        start = pos
        pos = _skip_blanks(data, pos)
        if pos == start or end - pos < 8:
            return 0, UNSURE
    hour, minute, second = _two_digits(data, pos), _two_digits(data, pos + 3), _two_digits(data, pos + 6)
    if data[pos + 2] != _COLON or data[pos + 5] != _COLON:
        return 0, UNSURE
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return 0, UNSURE
    pos += 8
    micros = 0
    if data[pos] == _DOT:
        pos += 1
        worth = 100_000
        start = pos
        while 48 <= data[pos] <= 57:
            micros += worth * (int(data[pos]) - 48)
            worth //= 10
            pos += 1
        if pos == start:
            return 0, UNSURE
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - _DAYS_TO_1970
    days += _DAYS_BEFORE_MONTH[month - 1] + (leap and month > 2) + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60 * _SECOND + second * _SECOND + micros, _skip_blanks(
        data, pos
    )
