"""Lines that a loader must reject, one function a way of being broken."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.csv_text import lines_of
from shifts_platform.generator.trips import TripChunk

_Fields = list[bytes]


def format_with_broken(chunk: TripChunk, *, seed: int, trips: int, share: float) -> bytes:
    """The lines of a chunk, some of them broken: exactly round(trips * share) over all chunks of the `trips`."""
    broken_in_all = round(trips * share)
    last_row = chunk.first_row + len(chunk)
    # Whole numbers: what the chunks break adds up.
    count = last_row * broken_in_all // trips - chunk.first_row * broken_in_all // trips
    sequence = np.random.SeedSequence(seed, spawn_key=(2, chunk.first_row))
    rng = np.random.Generator(np.random.PCG64(sequence))
    rows = np.sort(rng.choice(len(chunk), count, replace=False))
    return _with_broken(chunk, rows, rng.integers(0, len(CORRUPTIONS), count))


def _with_broken(chunk: TripChunk, rows: NDArray[np.int64], ways: NDArray[np.int64]) -> bytes:
    text, begins = lines_of(chunk)
    pieces, behind = [], 0
    for row, way in zip(rows.tolist(), ways.tolist(), strict=True):
        begin, end = begins[row], begins[row + 1]
        pieces.append(text[behind:begin].tobytes())
        # From the right: a region's name may hold a comma.
        fields = text[begin : end - 1].tobytes().rsplit(b",", 4)
        pieces.append(b",".join(CORRUPTIONS[way](fields)) + b"\n")
        behind = end
    pieces.append(text[behind:].tobytes())
    return b"".join(pieces)


def _no_wkt(fields: _Fields) -> _Fields:
    return [fields[0], fields[1].removeprefix(b"POINT (").removesuffix(b")"), *fields[2:]]


def _out_of_range(fields: _Fields) -> _Fields:
    return [*fields[:2], b"POINT (181.000000 50.000000)", *fields[3:]]


def _swapped(fields: _Fields) -> _Fields:
    # Of Tokyo: only beyond 90 degrees of longitude can a loader know that the two were swapped.
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
