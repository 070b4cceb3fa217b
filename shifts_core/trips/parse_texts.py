"""Compiled loops over columns of texts, as Arrow stores them: one text after the other, and where each ends."""

import numba
import numpy as np

from shifts_core.trips.name_table import NO_ROOM, find_or_add
from shifts_core.trips.parse_values import UNSURE, parse_point, parse_timestamp
from shifts_core.trips.rules import MAX_FIELD_BYTES


@numba.njit(cache=True, nogil=True)
def _copy(data, begin, size, scratch):  # type: ignore[no-untyped-def]
    """Copies a text and puts a zero after it, so that its parser stops at its end."""
    for offset in range(size):
        scratch[offset] = data[begin + offset]
    scratch[size] = 0


@numba.njit(cache=True, nogil=True)
def parse_points(data, offsets, points):  # type: ignore[no-untyped-def]
    """Parses text n, data[offsets[n]:offsets[n + 1]], as WKT into points[n]; returns which texts were parsed."""
    parsed = np.zeros(offsets.size - 1, np.bool_)
    scratch = np.zeros(MAX_FIELD_BYTES + 1, np.uint8)
    for number in range(parsed.size):
        size = offsets[number + 1] - offsets[number]
        if size <= MAX_FIELD_BYTES:
            _copy(data, offsets[number], size, scratch)
            points[number, 0], points[number, 1], end = parse_point(scratch, 0)
            parsed[number] = end == size
    return parsed


@numba.njit(cache=True, nogil=True)
def parse_timestamps(data, offsets, first, last, started_at):  # type: ignore[no-untyped-def]
    """Parses texts as timestamps into `started_at`; returns which lie from `first` to before `last`."""
    parsed = np.zeros(offsets.size - 1, np.bool_)
    scratch = np.zeros(MAX_FIELD_BYTES + 1, np.uint8)
    for number in range(parsed.size):
        size = offsets[number + 1] - offsets[number]
        if size <= MAX_FIELD_BYTES:
            _copy(data, offsets[number], size, scratch)
            started_at[number], end = parse_timestamp(scratch, 0, size)
            parsed[number] = end == size and first <= started_at[number] < last
    return parsed


@numba.njit(cache=True, nogil=True)
def number_names(data, offsets, start, names, numbers):  # type: ignore[no-untyped-def]
    """Numbers texts from `start` on by a NameTable; returns where the table was full, or the number of texts.

    Texts that are too long for a name get the number UNSURE.
    """
    for number in range(start, offsets.size - 1):
        numbers[number] = UNSURE
        if offsets[number + 1] - offsets[number] <= MAX_FIELD_BYTES:
            numbers[number] = find_or_add(data, offsets[number], offsets[number + 1], names)
            if numbers[number] == NO_ROOM:
                return number
    return offsets.size - 1
