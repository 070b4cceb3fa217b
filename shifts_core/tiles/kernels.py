"""Compiled counting of trips in straddling leaves, from the high bits of their coordinates.

High bits match for certain if all offsets that have them lie in the box, and possibly if any may. `high_ranges` holds
both ranges of each (leaf, coordinate), as `OffsetRanges.high_bits` describes them. For longitudes of a box that
crosses the antimeridian (`inverted`), values between the sides are outside.

Arrays of k straddling leaves: `addresses` (k, 5), where the high bits of each coordinate lie in memory, which the
caller keeps alive; `trips` (k,), trips in each leaf; `straddling` (k, 5), the coordinates that decide, whose
addresses must be known; `high_ranges` (k, 4, 4). With `any_end`, one end in the box is enough. The fifth column of
`addresses` and `straddling` is of minutes: where they decide, only trips in one of `minute_ranges` (r, 2) match.
These trips are runs of the leaf, and only they are compared with the box.
"""

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from shifts_core.tiles.format import HIGH_BITS_DTYPE, LEAF_TRIPS, MINUTES

_BYTES = HIGH_BITS_DTYPE.itemsize
_LON = 2
"""Every second coordinate is a longitude."""


@intrinsic
def _as_pointer(_, __):  # type: ignore[no-untyped-def]
    """Casts an int64 to a pointer to uint16."""
    pointer = types.CPointer(types.uint16)  # type: ignore[attr-defined]

    def build(context, builder, ___, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64), build


@numba.njit(cache=True, nogil=True)
def high_bits_of(address, count):  # type: ignore[no-untyped-def]
    """The high bits of a coordinate of a leaf, without copying them."""
    return numba.carray(_as_pointer(address), (count,), np.uint16)


@numba.njit(cache=True, nogil=True)
def high_bits_at(address, place):  # type: ignore[no-untyped-def]
    """The high bits of one trip."""
    return numba.carray(_as_pointer(address + _BYTES * place), (1,), np.uint16)[0]


@numba.njit(cache=True, nogil=True)
def run_of(addresses, count, timed, minute_range, begin):  # type: ignore[no-untyped-def]
    """The run of a leaf's trips that start in a range of minutes: their first place and the place after the last.

    Places before `begin` are known to be earlier.
    """
    if not timed:
        return 0, count
    minutes = high_bits_of(addresses[MINUTES], count)
    first = begin + np.searchsorted(minutes[begin:], minute_range[0])
    return first, first + np.searchsorted(minutes[first:], minute_range[1])


@numba.njit(cache=True, nogil=True)
def count_leaves(  # type: ignore[no-untyped-def]
    addresses, trips, straddling, high_ranges, inverted, any_end, minute_ranges, certain, possible
):
    """Counts the trips of each leaf that match for certain into `certain`, and possibly into `possible`; (k,)."""
    sure, may = np.empty((2, LEAF_TRIPS), np.uint8), np.empty((2, LEAF_TRIPS), np.uint8)
    for leaf in range(trips.size):
        timed = straddling[leaf, MINUTES]
        certain[leaf] = possible[leaf] = stop = 0
        for number in range(len(minute_ranges) if timed else 1):
            begin, stop = run_of(addresses[leaf], trips[leaf], timed, minute_ranges[number], stop)
            count = stop - begin
            if count == 0:
                continue
            _match(
                addresses[leaf],
                begin,
                count,
                straddling[leaf],
                high_ranges[leaf],
                inverted,
                any_end,
                sure,
                may,
            )
            certain[leaf] += _sum(sure[0], count)
            possible[leaf] += _sum(may[0], count)


@numba.njit(cache=True, nogil=True)
def _match(addresses, begin, count, straddling, high_ranges, inverted, any_end, sure, may):  # type: ignore[no-untyped-def]
    """Marks trips of a run that match for certain in the first row of `sure`, and possibly in that of `may`."""
    ends = 0
    for end in (0, 2):
        fresh = True
        for axis in (end, end + 1):
            if straddling[axis]:
                high_bits = high_bits_of(addresses[axis] + _BYTES * begin, count)
                flipped = inverted and axis % _LON == 0
                _mark(high_bits, count, high_ranges[axis], flipped, fresh, sure[ends], may[ends])
                fresh = False
        # An end without straddling coordinates is inside, or outside where one end is enough.
        ends += not fresh
    if ends == 0:
        sure[0, :count] = may[0, :count] = 1
    if ends == 2:
        _join(sure[0], sure[1], count, any_end)
        _join(may[0], may[1], count, any_end)


@numba.njit(cache=True, nogil=True)
def _mark(high_bits, count, ranges, flipped, fresh, sure, may):  # type: ignore[no-untyped-def]
    """Marks high bits that lie in the box; combines with the marks of the other coordinate unless `fresh`."""
    first, number, first_may, number_may = ranges[0], ranges[1], ranges[2], ranges[3]
    if flipped:
        # A value that is possibly between the sides is not certainly outside them.
        first, number, first_may, number_may = first_may, number_may, first, number
    flip = np.uint8(flipped)
    # Below the first high bits the difference wraps to a large number.
    if fresh:
        for trip in range(count):
            sure[trip] = np.uint8(np.uint16(high_bits[trip] - first) < number) ^ flip
            may[trip] = np.uint8(np.uint16(high_bits[trip] - first_may) < number_may) ^ flip
    else:
        for trip in range(count):
            sure[trip] &= np.uint8(np.uint16(high_bits[trip] - first) < number) ^ flip
            may[trip] &= np.uint8(np.uint16(high_bits[trip] - first_may) < number_may) ^ flip


@numba.njit(cache=True, nogil=True)
def _join(one, other, count, any_end):  # type: ignore[no-untyped-def]
    """Combines the marks of the two ends into the first."""
    if any_end:
        for trip in range(count):
            one[trip] |= other[trip]
    else:
        for trip in range(count):
            one[trip] &= other[trip]


@numba.njit(cache=True, nogil=True)
def _sum(marks, count):  # type: ignore[no-untyped-def]
    """The number of marked trips."""
    total = 0
    for trip in range(count):
        total += marks[trip]
    return total


@numba.njit(cache=True, nogil=True)
def find_undecided(  # type: ignore[no-untyped-def]
    addresses,
    trips,
    straddling,
    high_ranges,
    inverted,
    any_end,
    minute_ranges,
    searched,
    leaves,
    places,
    between,
    undecided,
):
    """Finds the m trips of the leaves `searched` that match possibly but not for certain.

    Writes the leaf and the trip's place in it to `leaves` and `places` (m,), the coordinates that lie in the box for
    certain to `between` (m, 4), and those that possibly do to `undecided` (m, 4).
    """
    found = 0
    sure, may = np.empty((2, LEAF_TRIPS), np.uint8), np.empty((2, LEAF_TRIPS), np.uint8)
    for leaf in searched:
        timed = straddling[leaf, MINUTES]
        stop = 0
        for number in range(len(minute_ranges) if timed else 1):
            begin, stop = run_of(addresses[leaf], trips[leaf], timed, minute_ranges[number], stop)
            count = stop - begin
            if count == 0:
                continue
            _match(
                addresses[leaf],
                begin,
                count,
                straddling[leaf],
                high_ranges[leaf],
                inverted,
                any_end,
                sure,
                may,
            )
            for trip in range(count):
                if sure[0, trip] == may[0, trip]:
                    continue
                leaves[found], places[found] = leaf, begin + trip
                _compare_trip(
                    addresses[leaf],
                    begin + trip,
                    straddling[leaf],
                    high_ranges[leaf],
                    inverted,
                    between[found],
                    undecided[found],
                )
                found += 1


@numba.njit(cache=True, nogil=True)
def _compare_trip(addresses, place, straddling, high_ranges, inverted, between, undecided):  # type: ignore[no-untyped-def]
    """Marks which coordinates of a trip lie in the box for certain, and which others possibly do; (4,)."""
    for axis in range(4):
        if not straddling[axis]:
            between[axis] = undecided[axis] = False
            continue
        ranges, high_bits = high_ranges[axis], high_bits_of(addresses[axis], place + 1)[place]
        certain = np.uint16(high_bits - ranges[0]) < ranges[1]
        possible = np.uint16(high_bits - ranges[2]) < ranges[3]
        if inverted and axis % _LON == 0:
            certain, possible = not possible, not certain
        between[axis] = certain
        undecided[axis] = possible and not certain


@numba.njit(cache=True, nogil=True)
def resolve(  # type: ignore[no-untyped-def]
    addresses, straddling, ranges, inverted, any_end, undecided_trips, starts, low_bits, matches
):
    """Decides the m trips that high bits do not decide; sets those that match in `matches` (m,).

    `undecided_trips` is what `find_undecided` found, `ranges` are the first three fields of `OffsetRanges`, and
    `starts` (k, 4) is where the low bits of each undecided coordinate of a leaf begin in `low_bits`.
    """
    leaves, places, between, undecided = undecided_trips
    first, last, shifts = ranges
    inside = np.empty(4, np.bool_)
    for trip in range(len(leaves)):
        leaf, place = leaves[trip], places[trip]
        for axis in range(4):
            inside[axis] = between[trip, axis]
            if undecided[trip, axis]:
                shift = shifts[leaf, axis]
                width = (shift + 7) // 8
                offset = np.uint64(high_bits_of(addresses[leaf, axis], place + 1)[place]) << np.uint64(shift)
                at = starts[leaf, axis] + place * width
                for byte in range(width):
                    offset |= np.uint64(low_bits[at + byte]) << np.uint64(8 * byte)
                is_between = offset >= first[leaf, axis] and offset <= last[leaf, axis]
                inside[axis] = is_between != (inverted and axis % _LON == 0)
        matches[trip] = _matches(inside, straddling[leaf], any_end)


@numba.njit(cache=True, nogil=True)
def _matches(inside, decides, any_end):  # type: ignore[no-untyped-def]
    """Whether a trip matches, from the coordinates that decide."""
    origin = (inside[0] or not decides[0]) and (inside[1] or not decides[1])
    destination = (inside[2] or not decides[2]) and (inside[3] or not decides[3])
    if any_end:
        return (origin and (decides[0] or decides[1])) or (destination and (decides[2] or decides[3]))
    return origin and destination
