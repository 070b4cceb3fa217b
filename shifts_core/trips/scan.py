"""Scans the bytes of a CSV file in one compiled pass: finds records and parses those in usual notation.

All other records are only delimited here; reference_parser.py parses them.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.trips.columns import DATETIME, DESTINATION, IGNORED, ORIGIN, REGION, SOURCE
from shifts_core.trips.name_table import find, find_or_add
from shifts_core.trips.parse_values import UNSURE, parse_point, parse_timestamp
from shifts_core.trips.quotes import (
    MAX_IGNORED_QUOTED_BYTES,
    MAX_QUOTED_BYTES,
    NOT_CLOSED,
    SOUND,
    TEXT_AFTER_QUOTE,
)
from shifts_core.trips.rules import MAX_FIELD_BYTES

_QUOTE, _COMMA, _NEWLINE, _RETURN = 34, 44, 10, 13
_MORE_NEEDED = -1


class Records(NamedTuple):
    """Where the records of a scan lie, one entry a record; all of one length."""

    begins: NDArray[np.int64]
    """First byte."""
    ends: NDArray[np.int64]
    """After the last byte, without the line end."""
    quote_errors: NDArray[np.uint8]
    """The state of the quotes, see quotes.py."""


def empty_records(rows: int) -> Records:
    """Records with undefined values."""
    return Records(np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.uint8))


@numba.njit(cache=True, nogil=True)
def _end_of_text(data, pos, end, quoted, last, ignored):  # type: ignore[no-untyped-def]
    """The position after the text of a field that contains neither quotes nor line ends."""
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
    """Position of the quote that closes the text at `pos`; `end` if the bytes end first, -1 if it is past `limit`."""
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
def _first_line(data, begin, end, final, quote_error):  # type: ignore[no-untyped-def]
    """The end of the first line: a record with broken quotes ends there, and the next line starts a record."""
    for pos in range(begin, end):
        if data[pos] == _NEWLINE:
            return pos + 1, quote_error
    return (end if final else _MORE_NEEDED), quote_error


@numba.njit(cache=True, nogil=True)
def _end_of_record(data, begin, end, final, kinds):  # type: ignore[no-untyped-def]
    """The end of the record at `begin` with its line end, or _MORE_NEEDED, and the state of its quotes."""
    pos = begin
    column = 0
    while True:
        if pos < end and data[pos] == _QUOTE:
            read = column < kinds.size and kinds[column] != IGNORED
            pos = _closing_quote(data, pos + 1, end, MAX_QUOTED_BYTES if read else MAX_IGNORED_QUOTED_BYTES)
            if pos == end and not final:
                return _MORE_NEEDED, SOUND
            if pos == end or pos < 0:
                return _first_line(data, begin, end, final, NOT_CLOSED)
            pos += 1
            if pos + 1 >= end and not final:
                return _MORE_NEEDED, SOUND
            if pos == end:
                return end, SOUND
            if data[pos] == _RETURN and (pos + 1 == end or data[pos + 1] == _NEWLINE):
                pos += 1
            if pos < end and data[pos] != _NEWLINE and data[pos] != _COMMA:
                return _first_line(data, begin, end, final, TEXT_AFTER_QUOTE)
        while pos < end and data[pos] != _COMMA and data[pos] != _NEWLINE:
            pos += 1
        if pos == end:
            return (end if final else _MORE_NEEDED), SOUND
        pos += 1
        if data[pos - 1] == _NEWLINE:
            return pos, SOUND
        column += 1


@numba.njit(cache=True, nogil=True)
def _skip_delimiter(data, pos, end, final, quoted, last):  # type: ignore[no-untyped-def]
    """The position after the delimiter of a field whose text ends at `pos`; UNSURE if there is something else."""
    if quoted:
        if data[pos] != _QUOTE or pos >= end:
            return UNSURE
        pos += 1
    if not last:
        return pos + 1 if pos < end and data[pos] == _COMMA else UNSURE
    if pos < end and data[pos] == _RETURN:
        pos += 1
    if pos < end:
        return pos + 1 if data[pos] == _NEWLINE else UNSURE
    return end if final else UNSURE


@numba.njit(cache=True, nogil=True)
def scan(data, begin, end, final, line, kinds, first, last, regions, sources, columns, records):  # type: ignore[no-untyped-def]
    """Reads the records of data[begin:end] until `columns` or a table of names is full, or all bytes are used.

    Args:
        data: bytes of the file; there must be a zero after `end`.
        begin: start of a record.
        end: end of the bytes.
        final: whether the file ends at `end`.
        line: line of the file on which `begin` lies.
        kinds: the kind of each column, see columns.py.
        first: the first microsecond since 1970 at which trips may start.
        last: the first microsecond after that.
        regions: the NameTable of regions; new ones are added.
        sources: the NameTable of sources.
        columns: the TripColumns to fill.
        records: the Records to fill.

    Returns:
        The number of records, the position after the last of them, its line, and whether a table was full.
    """
    # Unpacked once: each access to a tuple of arrays counts references, which costs more than parsing a field.
    points, started_at, out_regions, out_sources, parsed, lines = columns
    begins, ends, quote_errors = records
    region_text, region_ends, region_slots, _ = regions
    source_text, source_ends, source_slots, _ = sources
    pos, count, capacity, width = begin, 0, lines.size, kinds.size
    while pos < end and count < capacity:
        start = pos
        for column in range(width):
            kind = kinds[column]
            quoted = data[pos] == _QUOTE
            pos += quoted
            text = pos
            if kind in (ORIGIN, DESTINATION):
                lon, lat, pos = parse_point(data, pos)
                points[count, 2 * kind] = lon
                points[count, 2 * kind + 1] = lat
            elif kind == DATETIME:
                started, pos = parse_timestamp(data, pos, end)
                started_at[count] = started
                if not first <= started < last:
                    pos = UNSURE
            else:
                pos = _end_of_text(data, pos, end, quoted, column == width - 1, kind == IGNORED)
            text_end = pos
            if pos >= 0:
                pos = _skip_delimiter(data, pos, end, final, quoted, column == width - 1)
            if pos >= 0 and kind != IGNORED and text_end - text > MAX_FIELD_BYTES:
                pos = UNSURE
            if pos < 0:
                break
            if kind == REGION:
                number, _ = find(data, text, text_end, region_text, region_ends, region_slots)
                if number < 0:
                    number = find_or_add(data, text, text_end, regions)
                if number < 0:
                    return count, start, line, True
                out_regions[count] = number
            elif kind == SOURCE:
                number, _ = find(data, text, text_end, source_text, source_ends, source_slots)
                if number < 0:
                    number = find_or_add(data, text, text_end, sources)
                if number < 0:
                    return count, start, line, True
                out_sources[count] = number
        parsed[count] = pos >= 0
        quote_errors[count] = SOUND
        begins[count] = start
        lines[count] = line
        if pos >= 0:
            line += 1
        else:
            pos, quote_error = _end_of_record(data, start, end, final, kinds)
            if pos < 0:
                return count, start, line, False
            quote_errors[count] = quote_error
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
