"""CSV lines of trips, compiled: digits are written directly to a buffer."""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.trips import TripChunk

HEADER = b"region,origin_coord,destination_coord,datetime,datasource\n"
_POINT = np.frombuffer(b",POINT (", np.uint8)
_ZERO, _BLANK, _CLOSE, _COMMA, _MINUS, _DOT, _COLON, _NEWLINE = 48, 32, 41, 44, 45, 46, 58, 10
_DIGITS = np.frombuffer(b"".join(b"%03d" % number for number in range(1_000)), np.uint8).reshape(-1, 3)
"""Three digits at once: one division per digit takes eight times as long."""
_DAY = 86_400
_BYTES_WITHOUT_NAMES = 2 * (len(",POINT (-180.000000 -90.000000)") + len(",2018-04-30 08:00:00")) + 1


def format_csv(chunk: TripChunk) -> bytes:
    """Return the lines of a chunk without the header, each with its line end."""
    return write_lines(chunk)[0].tobytes()


def write_lines(chunk: TripChunk) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the lines as an array of bytes, and where each line starts and the last one ends, shape (n + 1,)."""
    regions, region_offsets = _encode_names(chunk.regions)
    sources, source_offsets = _encode_names(chunk.sources)
    seconds = chunk.moments.astype("datetime64[s]").astype(np.int64)
    first_day, last_day = (seconds.min() // _DAY, seconds.max() // _DAY) if len(chunk) else (0, 0)
    days = np.datetime_as_string(np.arange(first_day, last_day + 1).astype("datetime64[D]"))
    dates = days.astype("S10").view(np.uint8).reshape(-1, 10)
    longest = int(np.diff(region_offsets).max(initial=0) + np.diff(source_offsets).max(initial=0))
    out = np.empty(len(chunk) * (longest + _BYTES_WITHOUT_NAMES), np.uint8)
    starts = np.empty(len(chunk) + 1, np.int64)
    _write_lines(
        regions,
        region_offsets,
        chunk.region,
        chunk.od_coords,
        dates,
        seconds - first_day * _DAY,
        sources,
        source_offsets,
        chunk.source,
        out,
        starts,
    )
    return out[: starts[-1]], starts


def _encode_names(names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the concatenated bytes of the names, quoted where CSV requires it, and their offsets, shape (k + 1,)."""
    texts = [
        ('"' + name.replace('"', '""') + '"' if any(char in name for char in '",\r\n') else name).encode()
        for name in names
    ]
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)])


@numba.njit(cache=True, nogil=True)
def _write_bytes(out, pos, text, start, stop):  # type: ignore[no-untyped-def]
    for at in range(start, stop):
        out[pos] = text[at]
        pos += 1
    return pos


@numba.njit(cache=True, nogil=True)
def _write_degrees(out, pos, degrees):  # type: ignore[no-untyped-def]
    """Write a coordinate with six decimals; return the position after it."""
    micro = np.int64(np.rint(degrees * 1e6))
    if micro < 0:
        out[pos] = _MINUS
        pos += 1
        micro = -micro
    thousandths = micro // 1_000
    whole = thousandths // 1_000
    if whole > 99:
        out[pos] = _DIGITS[whole, 0]
        pos += 1
    if whole > 9:
        out[pos] = _DIGITS[whole, 1]
        pos += 1
    out[pos] = _DIGITS[whole, 2]
    out[pos + 1] = _DOT
    for place in range(3):
        out[pos + 2 + place] = _DIGITS[thousandths - whole * 1_000, place]
        out[pos + 5 + place] = _DIGITS[micro - thousandths * 1_000, place]
    return pos + 8


@numba.njit(cache=True, nogil=True)
def _write_datetime(out, pos, day, second):  # type: ignore[no-untyped-def]
    """Write the ten characters of a day and the time of a second of the day; return the position after them."""
    for place in range(10):
        out[pos + place] = day[place]
    minute = second // 60
    hour = minute // 60
    out[pos + 10] = _BLANK
    out[pos + 13] = out[pos + 16] = _COLON
    for place in range(2):
        out[pos + 11 + place] = _DIGITS[hour, 1 + place]
        out[pos + 14 + place] = _DIGITS[minute - hour * 60, 1 + place]
        out[pos + 17 + place] = _DIGITS[second - minute * 60, 1 + place]
    return pos + 19


@numba.njit(cache=True, nogil=True)
def _write_lines(  # type: ignore[no-untyped-def]
    regions, region_offsets, region, od_coords, dates, seconds, sources, source_offsets, source, out, starts
):
    """Write lines to `out` and their starts to `starts`; `seconds` count from the first of `dates`."""
    pos = 0
    for row in range(region.size):
        starts[row] = pos
        pos = _write_bytes(out, pos, regions, region_offsets[region[row]], region_offsets[region[row] + 1])
        for first in (0, 2):
            pos = _write_bytes(out, pos, _POINT, 0, _POINT.size)
            pos = _write_degrees(out, pos, od_coords[row, first])
            out[pos] = _BLANK
            pos = _write_degrees(out, pos + 1, od_coords[row, first + 1])
            out[pos] = _CLOSE
            pos += 1
        out[pos] = _COMMA
        day = seconds[row] // _DAY
        pos = _write_datetime(out, pos + 1, dates[day], seconds[row] - day * _DAY)
        out[pos] = _COMMA
        pos = _write_bytes(
            out, pos + 1, sources, source_offsets[source[row]], source_offsets[source[row] + 1]
        )
        out[pos] = _NEWLINE
        pos += 1
    starts[region.size] = pos
