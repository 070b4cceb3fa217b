"""Bytes of a CSV file to columns of numbers, compiled: one pass, and it vouches for each record or says it cannot.

A record that is not written exactly as expected is only delimited here; record.py reads it with care.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.trips.decimals import read_number
from shifts_core.trips.limits import (
    DATETIME,
    DESTINATION,
    IGNORED,
    MAX_FIELD_BYTES,
    MAX_IGNORED_QUOTED_BYTES,
    MAX_QUOTED_BYTES,
    NOT_CLOSED,
    ORIGIN,
    REGION,
    SOURCE,
    TEXT_AFTER_QUOTE,
)

_QUOTE, _COMMA, _NEWLINE, _RETURN, _BLANK, _TAB = 34, 44, 10, 13, 32, 9
_OPEN, _CLOSE, _DOT, _MINUS, _COLON = 40, 41, 46, 45, 58
_SECOND = 1_000_000
_DAYS_BEFORE_MONTH = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])
_DAYS_TO_1970 = 719_162
_MORE_NEEDED = -1
_FNV_START, _FNV_PRIME, _HASH_SHIFT = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3), np.uint64(29)


class NameTable(NamedTuple):
    """Names by number, found by their bytes: what the compiled code needs of names.py."""

    text: NDArray[np.uint8]
    """All names, one after the other."""
    ends: NDArray[np.int64]
    """(capacity + 1,): name n is text[ends[n]:ends[n + 1]]."""
    slots: NDArray[np.int32]
    """Hash table of numbers, -1 where free; a power of two, at least twice the capacity."""
    used: NDArray[np.int64]
    """(1,): how many names there are."""


class Columns(NamedTuple):
    """What a scan fills, one entry a record; all of one length."""

    points: NDArray[np.float64]
    """(n, 4): origin lon, lat, destination lon, lat; degrees."""
    started_at: NDArray[np.int64]
    """Microseconds since 1970-01-01, local wall clock."""
    regions: NDArray[np.int32]
    """Number in the table of regions."""
    sources: NDArray[np.int32]
    """Number in the table of sources."""
    vouched: NDArray[np.bool_]
    """Whether the four above are right; if not, they are undefined."""
    flaws: NDArray[np.uint8]
    """How the quotes are broken, see limits.py."""
    begins: NDArray[np.int64]
    """First byte."""
    ends: NDArray[np.int64]
    """Behind the last byte, line end not counted."""
    lines: NDArray[np.int64]
    """Line of the file on which it begins."""


@numba.njit(cache=True, nogil=True)
def find_or_add(data, begin, end, names):  # type: ignore[no-untyped-def]
    """The number of the name data[begin:end]; -1 if it is new and there is no room."""
    text, ends, slots, used = names
    number, slot = _find(data, begin, end, text, ends, slots)
    if number >= 0:
        return number
    count = used[0]
    start = ends[count]
    stop = start + end - begin
    if count + 1 >= ends.size or stop > text.size:
        return np.int32(-1)
    for offset in range(end - begin):
        text[start + offset] = data[begin + offset]
    ends[count + 1] = stop
    slots[slot] = count
    used[0] = count + 1
    return np.int32(count)


@numba.njit(cache=True, nogil=True)
def _find(data, begin, end, text, ends, slots):  # type: ignore[no-untyped-def]
    """The number of the name data[begin:end] and its slot; -1 and the slot for it if it is new."""
    hashed = _FNV_START
    for pos in range(begin, end):
        hashed = (hashed ^ np.uint64(data[pos])) * _FNV_PRIME
    mask = slots.size - 1
    slot = np.int64((hashed ^ (hashed >> _HASH_SHIFT)) & np.uint64(mask))
    length = end - begin
    while True:
        number = slots[slot]
        if number < 0:
            return number, slot
        start = ends[number]
        if ends[number + 1] - start == length:
            same = True
            for offset in range(length):
                if text[start + offset] != data[begin + offset]:
                    same = False
                    break
            if same:
                return number, slot
        slot = (slot + 1) & mask


@numba.njit(cache=True, nogil=True)
def _skip_blanks(data, pos):  # type: ignore[no-untyped-def]
    while data[pos] == _BLANK or data[pos] == _TAB:
        pos += 1
    return pos


@numba.njit(cache=True, nogil=True)
def _read_point(data, pos):  # type: ignore[no-untyped-def]
    """Longitude, latitude and the position behind a WKT point; the position is -1 when in doubt."""
    pos = _skip_blanks(data, pos)
    for letter in (112, 111, 105, 110, 116):
        if data[pos] | 32 != letter:
            return 0.0, 0.0, -1
        pos += 1
    pos = _skip_blanks(data, pos)
    if data[pos] != _OPEN:
        return 0.0, 0.0, -1
    lon, pos = read_number(data, _skip_blanks(data, pos + 1))
    if pos < 0:
        return 0.0, 0.0, -1
    second = _skip_blanks(data, pos)
    if second == pos:
        return 0.0, 0.0, -1
    lat, pos = read_number(data, second)
    if pos < 0:
        return 0.0, 0.0, -1
    pos = _skip_blanks(data, pos)
    if data[pos] != _CLOSE or abs(lon) > 180.0 or abs(lat) > 90.0:
        return 0.0, 0.0, -1
    return lon, lat, _skip_blanks(data, pos + 1)


@numba.njit(cache=True, nogil=True)
def _two_digits(data, pos):  # type: ignore[no-untyped-def]
    """The number of two digits at `pos`, or one far too small."""
    tens, ones = np.int64(data[pos]) - 48, np.int64(data[pos + 1]) - 48
    if 0 <= tens <= 9 and 0 <= ones <= 9:
        return tens * 10 + ones
    return -10_000


@numba.njit(cache=True, nogil=True)
def _read_datetime(data, pos, end):  # type: ignore[no-untyped-def]
    """Microseconds since 1970 and the position behind; the position is -1 when in doubt."""
    pos = _skip_blanks(data, pos)
    if end - pos < 19:
        return 0, -1
    year = _two_digits(data, pos) * 100 + _two_digits(data, pos + 2)
    month, day = _two_digits(data, pos + 5), _two_digits(data, pos + 8)
    if data[pos + 4] != _MINUS or data[pos + 7] != _MINUS or year < 1 or not 1 <= month <= 12 or day < 1:
        return 0, -1
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    month_days = 30 + (month + month // 8) % 2 if month != 2 else 28 + leap
    if day > month_days:
        return 0, -1
    pos += 10
    if data[pos] | 32 == 116:
        pos += 1
    else:
        start = pos
        pos = _skip_blanks(data, pos)
        if pos == start or end - pos < 8:
            return 0, -1
    hour, minute, second = _two_digits(data, pos), _two_digits(data, pos + 3), _two_digits(data, pos + 6)
    if data[pos + 2] != _COLON or data[pos + 5] != _COLON:
        return 0, -1
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return 0, -1
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
            return 0, -1
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - _DAYS_TO_1970
    days += _DAYS_BEFORE_MONTH[month - 1] + (leap and month > 2) + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60 * _SECOND + second * _SECOND + micros, _skip_blanks(
        data, pos
    )


@numba.njit(cache=True, nogil=True)
def _behind_text(data, pos, end, quoted, last, ignored):  # type: ignore[no-untyped-def]
    """The position behind the text of a field without quotes or line ends in it."""
    if quoted:
        stop = min(end, pos + (MAX_IGNORED_QUOTED_BYTES if ignored else MAX_QUOTED_BYTES))
        while pos < stop and data[pos] != _QUOTE and data[pos] != _NEWLINE:
            pos += 1
        return pos
    begin = pos
    while pos < end and data[pos] != _COMMA and data[pos] != _NEWLINE:
        pos += 1
    if last and pos > begin and data[pos - 1] == _RETURN:
        pos -= 1
    return pos


@numba.njit(cache=True, nogil=True)
def _closing_quote(data, pos, end, limit):  # type: ignore[no-untyped-def]
    """Where the quoted field whose text begins at `pos` closes; `end` if the bytes end first, -1 past `limit`."""
    stop = min(end, pos + limit)
    while pos < stop:
        if data[pos] == _QUOTE:
            if pos + 1 < end and data[pos + 1] == _QUOTE:
                pos += 1
            else:
                return pos
        pos += 1
    return end if stop == end else -1


@numba.njit(cache=True, nogil=True)
def _first_line(data, begin, end, final, flaw):  # type: ignore[no-untyped-def]
    """A record with broken quotes is its first line: what follows is read anew."""
    for pos in range(begin, end):
        if data[pos] == _NEWLINE:
            return pos + 1, flaw
    return (end if final else _MORE_NEEDED), flaw


@numba.njit(cache=True, nogil=True)
def _behind_record(data, begin, end, final, kinds):  # type: ignore[no-untyped-def]
    """Where the record that begins at `begin` is over, line end included (-1: not in these bytes), and its flaw."""
    pos = begin
    column = 0
    while True:
        if pos < end and data[pos] == _QUOTE:
            read = column < kinds.size and kinds[column] != IGNORED
            pos = _closing_quote(data, pos + 1, end, MAX_QUOTED_BYTES if read else MAX_IGNORED_QUOTED_BYTES)
            if pos == end and not final:
                return _MORE_NEEDED, 0
            if pos == end or pos < 0:
                return _first_line(data, begin, end, final, NOT_CLOSED)
            pos += 1
            if pos + 1 >= end and not final:
                return _MORE_NEEDED, 0
            if pos == end:
                return end, 0
            if data[pos] == _RETURN and (pos + 1 == end or data[pos + 1] == _NEWLINE):
                pos += 1
            if pos < end and data[pos] != _NEWLINE and data[pos] != _COMMA:
                return _first_line(data, begin, end, final, TEXT_AFTER_QUOTE)
        while pos < end and data[pos] != _COMMA and data[pos] != _NEWLINE:
            pos += 1
        if pos == end:
            return (end if final else _MORE_NEEDED), 0
        pos += 1
        if data[pos - 1] == _NEWLINE:
            return pos, 0
        column += 1


@numba.njit(cache=True, nogil=True)
def _behind_field(data, pos, end, final, quoted, last):  # type: ignore[no-untyped-def]
    """The position behind the end of a field and its delimiter; -1 if something else stands there."""
    if quoted:
        if data[pos] != _QUOTE or pos >= end:
            return -1
        pos += 1
    if not last:
        return pos + 1 if pos < end and data[pos] == _COMMA else -1
    if pos < end and data[pos] == _RETURN:
        pos += 1
    if pos < end:
        return pos + 1 if data[pos] == _NEWLINE else -1
    return end if final else -1


@numba.njit(cache=True, nogil=True)
def scan(data, begin, end, final, line, kinds, first, last, regions, sources, out):  # type: ignore[no-untyped-def]
    """Reads the records of data[begin:end] into `out` until it is full, a table of names is, or the bytes are used.

    `kinds` says what each column is, `line` on which line of the file `begin` stands, `final` whether the file
    ends at `end`; trips count from `first` to before `last`, microseconds since 1970. Behind `end` there must be
    a byte 0. Returns the number of records, the position behind the last, its line, and whether names ran out.
    """
    # Unpacked once: each look into a tuple of arrays counts references, for more than reading a field costs.
    points, started_at, out_regions, out_sources, vouched, flaws, begins, ends, lines = out
    region_text, region_ends, region_slots, _ = regions
    source_text, source_ends, source_slots, _ = sources
    pos, count, capacity, columns = begin, 0, lines.size, kinds.size
    while pos < end and count < capacity:
        start = pos
        for column in range(columns):
            kind = kinds[column]
            quoted = data[pos] == _QUOTE
            pos += quoted
            text = pos
            if kind in (ORIGIN, DESTINATION):
                lon, lat, pos = _read_point(data, pos)
                points[count, 2 * kind] = lon
                points[count, 2 * kind + 1] = lat
            elif kind == DATETIME:
                moment, pos = _read_datetime(data, pos, end)
                started_at[count] = moment
                if not first <= moment < last:
                    pos = -1
            else:
                pos = _behind_text(data, pos, end, quoted, column == columns - 1, kind == IGNORED)
            behind_text = pos
            if pos >= 0:
                pos = _behind_field(data, pos, end, final, quoted, column == columns - 1)
            if pos >= 0 and kind != IGNORED and behind_text - text > MAX_FIELD_BYTES:
                pos = -1
            if pos < 0:
                break
            if kind == REGION:
                number, _ = _find(data, text, behind_text, region_text, region_ends, region_slots)
                if number < 0:
                    number = find_or_add(data, text, behind_text, regions)
                if number < 0:
                    return count, start, line, True
                out_regions[count] = number
            elif kind == SOURCE:
                number, _ = _find(data, text, behind_text, source_text, source_ends, source_slots)
                if number < 0:
                    number = find_or_add(data, text, behind_text, sources)
                if number < 0:
                    return count, start, line, True
                out_sources[count] = number
        vouched[count] = pos >= 0
        flaws[count] = 0
        begins[count] = start
        lines[count] = line
        if pos >= 0:
            line += 1
        else:
            pos, flaw = _behind_record(data, start, end, final, kinds)
            if pos < 0:
                return count, start, line, False
            flaws[count] = flaw
            for at in range(start, pos):
                line += data[at] == _NEWLINE
        stop = pos
        if stop > start and data[stop - 1] == _NEWLINE:
            stop -= 1
        if stop > start and data[stop - 1] == _RETURN:
            stop -= 1
        ends[count] = stop
        count += 1
    return count, pos, line, False
