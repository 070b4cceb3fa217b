"""Corruptions of CSV lines that a loader must reject, one function each."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.csv_text import write_lines
from shifts_platform.generator.trips import TripChunk

_Fields = list[bytes]


def format_with_corruptions(chunk: TripChunk, *, seed: int, trips: int, share: float) -> bytes:
    """Return the lines of a chunk with some corrupted: exactly round(trips * share) over all chunks."""
    corrupted_in_total = round(trips * share)
    last_row = chunk.first_row + len(chunk)
    # Integer division, so that the counts of the chunks add up exactly.
    count = last_row * corrupted_in_total // trips - chunk.first_row * corrupted_in_total // trips
    sequence = np.random.SeedSequence(seed, spawn_key=(2, chunk.first_row))
    rng = np.random.Generator(np.random.PCG64(sequence))
    rows = np.sort(rng.choice(len(chunk), count, replace=False))
    return _corrupt_rows(chunk, rows, rng.integers(0, len(CORRUPTIONS), count))


def _corrupt_rows(chunk: TripChunk, rows: NDArray[np.int64], corruptions: NDArray[np.int64]) -> bytes:
    text, starts = write_lines(chunk)
    parts, position = [], 0
    for row, corruption in zip(rows.tolist(), corruptions.tolist(), strict=True):
        start, stop = starts[row], starts[row + 1]
        parts.append(text[position:start].tobytes())
        # Split from the right, because the name of a region may contain a comma.
        fields = text[start : stop - 1].tobytes().rsplit(b",", 4)
        parts.append(b",".join(CORRUPTIONS[corruption](fields)) + b"\n")
        position = stop
    parts.append(text[position:].tobytes())
    return b"".join(parts)


def _no_wkt(fields: _Fields) -> _Fields:
    return [fields[0], fields[1].removeprefix(b"POINT (").removesuffix(b")"), *fields[2:]]


def _out_of_range(fields: _Fields) -> _Fields:
    return [*fields[:2], b"POINT (181.000000 50.000000)", *fields[3:]]


def _swapped(fields: _Fields) -> _Fields:
    # Tokyo: only with a longitude beyond 90 degrees can a loader detect the swap.
    return [*fields[:2], b"POINT (35.681200 139.767100)", *fields[3:]]


def _no_region(fields: _Fields) -> _Fields:
    return [b"", *fields[1:]]


def _no_such_day(fields: _Fields) -> _Fields:
    return [*fields[:3], b"2018-02-30" + fields[3][10:], fields[4]]


def _field_missing(fields: _Fields) -> _Fields:
    return fields[:4]


def _field_too_many(fields: _Fields) -> _Fields:
    return [*fields, b"7"]


def _not_utf8(fields: _Fields) -> _Fields:
    return [b"M\xfcnchen", *fields[1:]]


def _not_a_number(fields: _Fields) -> _Fields:
    return [fields[0], b"POINT (nan nan)", *fields[2:]]


CORRUPTIONS: tuple[Callable[[_Fields], _Fields], ...] = (
    _no_wkt,
    _out_of_range,
    _swapped,
    _no_region,
    _no_such_day,
    _field_missing,
    _field_too_many,
    _not_utf8,
    _not_a_number,
)
