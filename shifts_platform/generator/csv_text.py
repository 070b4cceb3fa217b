"""Trips as lines of CSV, compiled: digits straight into a buffer."""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_platform.generator.trips import TripChunk

HEADER = b"region,origin_coord,destination_coord,datetime,datasource\n"
_POINT = np.frombuffer(b",POINT (", np.uint8)
_ZERO, _BLANK, _CLOSE, _COMMA, _MINUS, _DOT, _COLON, _NEWLINE = 48, 32, 41, 44, 45, 46, 58, 10
_DIGITS = np.frombuffer(b"".join(b"%03d" % number for number in range(1_000)), np.uint8).reshape(-1, 3)
"""Three at once: dividing digit by digit takes eight times as long."""
_DAY = 86_400
_BESIDE_NAMES = 2 * (len(",POINT (-180.000000 -90.000000)") + len(",2018-04-30 08:00:00")) + 1


def format_csv(chunk: TripChunk) -> bytes:
    """The lines of a chunk, without the header, each with its line end."""
    return lines_of(chunk)[0].tobytes()


def lines_of(chunk: TripChunk) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The same as an array of bytes, and (n + 1,) where each line begins and the last one ends."""
    regions, region_ends = _names(chunk.regions)
    sources, source_ends = _names(chunk.sources)
    seconds = chunk.moments.astype("datetime64[s]").astype(np.int64)
    first_day, last_day = (seconds.min() // _DAY, seconds.max() // _DAY) if len(chunk) else (0, 0)
    days = np.datetime_as_string(np.arange(first_day, last_day + 1).astype("datetime64[D]"))
    dates = days.astype("S10").view(np.uint8).reshape(-1, 10)
    longest = int(np.diff(region_ends).max(initial=0) + np.diff(source_ends).max(initial=0))
    out = np.empty(len(chunk) * (longest + _BESIDE_NAMES), np.uint8)
    begins = np.empty(len(chunk) + 1, np.int64)
    _write_lines(
        regions,
        region_ends,
        chunk.region,
        chunk.od_coords,
        dates,
        seconds - first_day * _DAY,
        sources,
        source_ends,
        chunk.source,
        out,
        begins,
    )
    return out[: begins[-1]], begins


def _names(names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes of the names one after the other, quoted where CSV wants it; (k + 1,) where each begins."""
    texts = [
        ('"' + name.replace('"', '""') + '"' if any(char in name for char in '",\r\n') else name).encode()
        for name in names
    ]
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)])


@numba.njit(cache=True, nogil=True)
def _write_bytes(out, pos, text, begin, end):  # type: ignore[no-untyped-def]
    for at in range(begin, end):
        out[pos] = text[at]
        pos += 1
    return pos


@numba.njit(cache=True, nogil=True)
def _write_degrees(out, pos, degrees):  # type: ignore[no-untyped-def]
    """A coordinate with six decimals; the position behind."""
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
    """The ten letters of a day, and the time of a second of the day; the position behind."""
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
    regions, region_ends, region, ends, dates, seconds, sources, source_ends, source, out, begins
):
    """Fills `out` with lines and `begins` with where they begin; `seconds` count from the first of `dates`."""
    pos = 0
    for row in range(region.size):
        begins[row] = pos
        pos = _write_bytes(out, pos, regions, region_ends[region[row]], region_ends[region[row] + 1])
        for first in (0, 2):
            pos = _write_bytes(out, pos, _POINT, 0, _POINT.size)
            pos = _write_degrees(out, pos, ends[row, first])
            out[pos] = _BLANK
            pos = _write_degrees(out, pos + 1, ends[row, first + 1])
            out[pos] = _CLOSE
            pos += 1
        out[pos] = _COMMA
        day = seconds[row] // _DAY
        pos = _write_datetime(out, pos + 1, dates[day], seconds[row] - day * _DAY)
        out[pos] = _COMMA
        pos = _write_bytes(out, pos + 1, sources, source_ends[source[row]], source_ends[source[row] + 1])
        out[pos] = _NEWLINE
        pos += 1
    begins[region.size] = pos
