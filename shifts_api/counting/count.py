"""Trips of cut leaves whose coordinates lie in the box: by codes where these decide, by whole offsets where not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.box import Match
from shifts_api.counting.intervals import Intervals
from shifts_api.counting.pieces import ROW

_BYTES_OF_WORD = np.arange(8, dtype=np.uint64) * np.uint64(8)


@dataclass(frozen=True)
class Rows:
    """Leaves that the box cuts, and the rows (a coordinate of a leaf each) that decide them."""

    of_leaves: NDArray[np.int64]
    """Shape (leaves, 4): row of each coordinate, -1 where it does not matter."""
    leaf_trips: NDArray[np.int64]
    """Shape (leaves,)."""
    row_trips: NDArray[np.int64]
    """Shape (rows,): trips of the row's leaf."""


def count_by_codes(
    leaves: Rows, codes: NDArray[np.uint16], intervals: Intervals, match: Match
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Trips of each leaf that match for certain, and whether others might; shapes (leaves,).

    Args:
        leaves: and their rows.
        codes: shape (rows, ROW).
        intervals: of the rows.
        match: which ends must lie in the box.
    """
    all_first, all_count, any_first, any_count = intervals.codes()
    certain = _within(codes, all_first, all_count) ^ intervals.inverted[:, None]
    possible = certain
    vague = (all_first != any_first) | (all_count != any_count)
    if vague.any():
        possible = certain.copy()
        possible[vague] = (
            _within(codes[vague], any_first[vague], any_count[vague]) ^ intervals.inverted[vague][:, None]
        )
        inverted = intervals.inverted & vague
        # Whether a code lies between for certain is, turned round, whether it may lie outside.
        certain[inverted], possible[inverted] = possible[inverted], certain[inverted]
    if intervals.inverted.any():
        there = np.arange(ROW) < leaves.row_trips[:, None]
        certain &= there
        possible &= there
    counts = _count(leaves, certain, match)
    if possible is certain:
        return counts, np.zeros(len(counts), bool)
    return counts, _count(leaves, possible, match) != counts


def count_exactly(
    leaves: Rows, offsets: NDArray[np.uint64], intervals: Intervals, match: Match
) -> NDArray[np.int64]:
    """The same from whole offsets, shape (rows, ROW); what lies behind a leaf's trips does not count."""
    between = (offsets >= intervals.first[:, None]) & (offsets <= intervals.last[:, None])
    there = np.arange(ROW) < leaves.row_trips[:, None]
    return _count(leaves, (between ^ intervals.inverted[:, None]) & there, match)


def whole_offsets(
    codes: NDArray[np.uint16], shifts: NDArray[np.int64], rows: NDArray[np.int64], rests: Sequence[bytes]
) -> NDArray[np.uint64]:
    """Offsets from codes and rests; shape (rows, ROW).

    Args:
        codes: shape (rows, ROW).
        shifts: shape (rows,).
        rows: shape (k,), those that have rests.
        rests: of these.
    """
    offsets = codes.astype(np.uint64) << shifts.astype(np.uint64)[:, None]
    for row, rest in zip(rows.tolist(), rests, strict=True):
        width = (int(shifts[row]) + 7) // 8
        lowest = np.zeros((len(rest) // width, 8), np.uint8)
        lowest[:, :width] = np.frombuffer(rest, np.uint8).reshape(-1, width)
        offsets[row, : len(lowest)] |= lowest.view("<u8")[:, 0]
    return offsets


def _within(
    codes: NDArray[np.uint16], first: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.bool_]:
    # Below the first the difference wraps to something large.
    between: NDArray[np.bool_] = (codes - first.astype(np.uint16)[:, None]) < count.astype(np.uint16)[:, None]
    return between


def _count(leaves: Rows, masks: NDArray[np.bool_], match: Match) -> NDArray[np.int64]:
    """Leaves whose deciding coordinates are the same are counted together."""
    counts = np.zeros(len(leaves.leaf_trips), np.int64)
    patterns = (leaves.of_leaves >= 0) @ np.array([1, 2, 4, 8])
    for pattern in np.unique(patterns).tolist():
        alike = np.flatnonzero(patterns == pattern)
        ends = [[axis for axis in (end, end + 1) if pattern >> axis & 1] for end in (0, 2)]
        of_ends = [_all_of(masks, leaves.of_leaves[alike][:, axes]) for axes in ends if axes]
        found = of_ends[0]
        for other in of_ends[1:]:
            found = found | other if match == "any" else found & other
        counts[alike] = _true_of_rows(found)
    return counts


def _all_of(masks: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each leaf the trips that all its rows have; shape (leaves, ROW)."""
    found = masks[rows[:, 0]]
    for column in rows.T[1:]:
        found &= masks[column]
    return found


def _true_of_rows(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many are true in each row. Eight at once: a byte holds what comes together in ROW / 8 words."""
    words = np.ascontiguousarray(masks).view(np.uint64).sum(axis=1)
    sums: NDArray[np.int64] = (
        ((words[:, None] >> _BYTES_OF_WORD) & np.uint64(0xFF)).sum(axis=1).astype(np.int64)
    )
    return sums
