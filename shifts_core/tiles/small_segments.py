"""Trips of small segments, kept as coordinates: comparing each is faster than comparing bounds of many tiles."""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.box import Box, Match, matched_ends
from shifts_core.tiles.codec import decode_leaves, decode_offsets
from shifts_core.tiles.format import COORDINATES, HIGH_BITS_DTYPE, low_bytes, scale_of_bounds, values
from shifts_core.time_filter import MINUTES_OF_WEEK

WHOLE_WEEK = np.array([[-1, MINUTES_OF_WEEK]])
"""The range of all minutes, and of trips whose minute is not stored."""
MAX_SMALL_TRIPS = 128
"""Segments of more trips are counted from their tiles."""


class SmallSegments(NamedTuple):
    """n trips of several segments."""

    week_of: NDArray[np.int64]
    """Shape (n,): position of each trip's week among the region's weeks."""
    signs: NDArray[np.int64]
    """Shape (n,): -1 if the trip's segment subtracts it, else 1."""
    minutes: NDArray[np.int64]
    """Shape (n,): minute of the week in which each trip starts; -1 if its tile does not store it."""
    ends: NDArray[np.float64]
    """Shape (n, 4): origin lon, lat, destination lon, lat; degrees."""

    def with_weeks(self, new_position: NDArray[np.int64]) -> "SmallSegments":
        """These trips among other weeks; `new_position` has the position of each week, -1 to omit its trips."""
        week_of = new_position[self.week_of]
        kept = week_of >= 0
        if kept.all():
            return self._replace(week_of=week_of)
        return SmallSegments(week_of[kept], self.signs[kept], self.minutes[kept], self.ends[kept])

    def count_weeks(
        self, weeks: slice, box: Box, match: Match, minute_ranges: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Matching trips of each week; shape (weeks,).

        Args:
            weeks: positions of the weeks to count.
            box: the box.
            match: which ends must lie in it.
            minute_ranges: shape (ranges, 2): when trips must start, as `TimeFilter.minute_ranges`; None for any time.
        """
        counts = np.zeros(weeks.stop - weeks.start, np.int64)
        sides = (box.west, box.south, box.east, box.north)
        ranges = WHOLE_WEEK if minute_ranges is None else minute_ranges
        _count(
            tuple(self),
            ranges,
            (weeks.start, weeks.stop),
            sides,
            matched_ends(match),
            match == "both",
            counts,
        )
        return counts


def decode_small_segments(
    week_of: NDArray[np.int64],
    signs: NDArray[np.int64],
    leaves: Sequence[bytes],
    high_bits: Sequence[bytes],
    low_bits: Sequence[bytes],
) -> SmallSegments:
    """Decodes the only tile, with one leaf, of each of k small segments.

    Args:
        week_of: shape (k,): position of each segment's week.
        signs: shape (k,): of each segment.
        leaves: k blobs.
        high_bits: k blobs.
        low_bits: k blobs.

    Raises:
        ValueError: a segment has more than one leaf, or the blobs do not fit together.
    """
    decoded = decode_leaves(leaves)
    if len(decoded.trips) != len(leaves):
        raise ValueError("a small segment has one leaf")
    scale = scale_of_bounds(decoded.low, decoded.high, decoded.decimals)
    # In the order of the bytes: by segment, coordinate and trip.
    counts = np.repeat(decoded.trips, 4)
    shifts = np.repeat(scale.shifts.ravel(), counts)
    widths = low_bytes(shifts)
    stored = np.frombuffer(b"".join(high_bits), HIGH_BITS_DTYPE)
    sizes = np.array([len(each) // HIGH_BITS_DTYPE.itemsize for each in high_bits], np.int64)
    # The minutes follow the coordinates of their tile, or are not there.
    is_coordinate = np.arange(len(stored)) - np.repeat(np.cumsum(sizes) - sizes, sizes) < np.repeat(
        COORDINATES * decoded.trips, sizes
    )
    minutes = np.full(int(decoded.trips.sum()), -1)
    minutes[np.repeat(sizes > COORDINATES * decoded.trips, decoded.trips)] = stored[~is_coordinate]
    high = stored[is_coordinate]
    offsets = decode_offsets(high, shifts, b"".join(low_bits), np.cumsum(widths) - widths)
    keys = offsets.view(np.int64) + np.repeat(scale.base.ravel(), counts)
    coordinates = values(keys, np.repeat(decoded.decimals.ravel(), counts))
    first = np.cumsum(decoded.trips) - decoded.trips
    within = np.arange(len(coordinates)) - np.repeat(np.cumsum(counts) - counts, counts)
    ends = np.empty((int(decoded.trips.sum()), 4))
    axes = np.repeat(np.tile(np.arange(4), len(leaves)), counts)
    ends[np.repeat(np.repeat(first, 4), counts) + within, axes] = coordinates
    return SmallSegments(np.repeat(week_of, decoded.trips), np.repeat(signs, decoded.trips), minutes, ends)


def concatenate(parts: Sequence[SmallSegments]) -> SmallSegments:
    """All trips of several small segments."""
    return SmallSegments(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


@numba.njit(cache=True, nogil=True)
def is_between(minute, minute_ranges):  # type: ignore[no-untyped-def]
    """Whether a minute lies in one of some half-open ranges."""
    for number in range(len(minute_ranges)):
        if minute >= minute_ranges[number, 0] and minute < minute_ranges[number, 1]:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def _count(trips, minute_ranges, weeks, sides, matched, both, counts):  # type: ignore[no-untyped-def]
    week_of, signs, minutes, ends = trips
    (first_week, stop_week), (west, south, east, north), (origin, destination) = weeks, sides, matched
    for trip in range(len(week_of)):
        week = week_of[trip]
        if week < first_week or week >= stop_week:
            continue
        if not is_between(minutes[trip], minute_ranges):
            continue
        matches = both
        for end in (0, 2):
            if (end == 0 and not origin) or (end == 2 and not destination):
                continue
            lon, lat = ends[trip, end], ends[trip, end + 1]
            inside = (lon >= west and lon <= east) if west <= east else (lon >= west or lon <= east)
            inside = inside and lat >= south and lat <= north
            matches = (matches and inside) if both else (matches or inside)
        if matches:
            counts[week - first_week] += signs[trip]
