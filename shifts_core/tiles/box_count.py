"""Counts the trips of a region in a box, week by week: bounds first, then high bits, then low bits."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.box import Box, Match
from shifts_core.tiles.byte_ranges import ByteRanges, low_bits_ranges
from shifts_core.tiles.kernels import count_leaves, find_undecided, resolve
from shifts_core.tiles.leaf_count import LeafCount, check_low_bits
from shifts_core.tiles.offset_ranges import offset_ranges
from shifts_core.tiles.region_index import RegionTileIndex
from shifts_core.tiles.small_segments import WHOLE_WEEK
from shifts_core.tiles.straddling import compare_bounds


class Undecided(NamedTuple):
    """m trips that high bits do not decide."""

    leaves: NDArray[np.int64]
    """Shape (m,): position among the straddling leaves."""
    places: NDArray[np.int64]
    """Shape (m,): place within the leaf."""
    between: NDArray[np.bool_]
    """Shape (m, 4): coordinates that lie in the box for certain."""
    undecided: NDArray[np.bool_]
    """Shape (m, 4): coordinates that may lie in the box."""


class BoxCount(LeafCount):
    """Counts the matching trips of each week: `counts`, after the steps of `LeafCount`.

    Args:
        index: of the region.
        weeks: positions of the weeks to count.
        box: the box.
        match: which ends must lie in it.
        minute_ranges: shape (ranges, 2): when trips must start, as `TimeFilter.minute_ranges`; None for any time.
            With them, weeks some of whose tiles store no minutes count 0: `RegionTileIndex.without_minutes`.
    """

    def __init__(
        self,
        index: RegionTileIndex,
        weeks: slice,
        box: Box,
        match: Match,
        minute_ranges: NDArray[np.int64] | None = None,
    ) -> None:
        self._minute_ranges = WHOLE_WEEK if minute_ranges is None else minute_ranges
        skipped = None if minute_ranges is None else index.without_minutes(weeks)
        self._inside, straddling = compare_bounds(index, weeks, box, match, skipped)
        self._inside += index.small.count_weeks(weeks, box, match, minute_ranges) * (
            1 if skipped is None else ~skipped
        )
        super().__init__(index, weeks, straddling.leaves, straddling.axes)
        self._week_of = index.tiles.week_of[straddling.tiles] - weeks.start
        self._signs = index.tiles.signs[straddling.tiles]
        self._ranges = offset_ranges(box, index.leaves, self._leaves, self._needed)
        self._inverted = box.west > box.east
        self._any_end = match == "any"
        self._certain = np.zeros(len(self._leaves), np.int64)
        self._undecided: list[Undecided] = []
        self._low_columns: tuple[NDArray[np.int64], NDArray[np.int64]]
        """Leaf, among those that straddle, and coordinate of each range of low bits."""
        self._low_sizes: list[int] = []
        self._resolved = np.zeros(self._n_weeks, np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Matching trips of each week; shape (weeks, 1)."""
        certain = self._by_week(self._week_of, self._signs * self._certain)
        return (self._inside + certain + self._resolved)[:, None]

    def _count(self, chosen: slice) -> None:
        arguments = (
            self._addresses[chosen],
            self._trips[chosen],
            self._needed[chosen],
            self._ranges.high_bits[chosen],
            self._inverted,
            self._any_end,
            self._minute_ranges,
        )
        possible = np.empty(chosen.stop - chosen.start, np.int64)
        certain = self._certain[chosen]
        count_leaves(*arguments, certain, possible)
        n_undecided = int((possible - certain).sum())
        if n_undecided:
            leaves, places = np.empty((2, n_undecided), np.int64)
            between, undecided = np.empty((2, n_undecided, 4), bool)
            searched = np.flatnonzero(possible > certain)
            find_undecided(*arguments, searched, leaves, places, between, undecided)
            self._undecided.append(Undecided(chosen.start + leaves, places, between, undecided))

    def missing_low_bits(self) -> ByteRanges | None:
        """The low bits of the undecided coordinates; None if all trips are counted."""
        if not self._undecided:
            return None
        self._undecided = [Undecided(*map(np.concatenate, zip(*self._undecided, strict=True)))]
        trips = self._undecided[0]
        needed = np.zeros((self.n_straddling, 4), bool)
        np.logical_or.at(needed, trips.leaves, trips.undecided)
        leaves, axes = map(np.ascontiguousarray, needed.nonzero())
        self._low_columns = leaves, axes
        ranges = low_bits_ranges(self.index, self._leaves[leaves], axes)
        self._low_sizes = ranges.sizes.tolist()
        return ranges

    def resolve(self, chunks: Sequence[bytes | None]) -> None:
        """Counts the undecided trips."""
        if not self._undecided:
            return
        low_bits = check_low_bits(chunks, self._low_sizes)
        (trips,) = self._undecided
        starts = np.zeros((self.n_straddling, 4), np.int64)
        starts[self._low_columns] = np.cumsum([0, *self._low_sizes])[:-1]
        matches = np.empty(len(trips.leaves), bool)
        resolve(
            self._addresses,
            self._needed,
            self._ranges[:3],
            self._inverted,
            self._any_end,
            tuple(trips),
            starts,
            low_bits,
            matches,
        )
        self._resolved += self._by_week(self._week_of[trips.leaves], self._signs[trips.leaves] * matches)

    def _by_week(self, week_of: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(week_of, values, self._n_weeks).astype(np.int64)
