"""Counts the trips of a region in a box, week by week: bounds first, then high bits, then low bits."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.bounds import ranges
from shifts_core.tiles.box import Box, Match, relate
from shifts_core.tiles.byte_ranges import ByteRanges, high_bits_ranges, low_bits_ranges
from shifts_core.tiles.codec import decode_offsets
from shifts_core.tiles.format import low_bytes, scale_of_bounds
from shifts_core.tiles.kernels import count_leaves, find_undecided, gather_high_bits, match_trips
from shifts_core.tiles.offset_ranges import offset_ranges
from shifts_core.tiles.region_index import Columns, RegionTileIndex


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


class BoxCount:
    """Counts the matching trips of each week.

    Call in this order: `missing_high_bits` and `load`, `count`, `missing_low_bits` and `resolve`, `counts`. A count
    references the high bits that it uses, so the index may evict them meanwhile.

    Args:
        index: of the region.
        weeks: positions of the weeks to count.
        box: the box.
        match: which ends must lie in it.
    """

    def __init__(self, index: RegionTileIndex, weeks: slice, box: Box, match: Match) -> None:
        self.index = index
        self.weeks = weeks
        self._n_weeks = weeks.stop - weeks.start
        index.last_used[weeks] = time.monotonic()
        tiles = index.tiles
        first, stop = index.tile_starts[weeks.start], index.tile_starts[weeks.stop]
        of_tiles = relate(tiles.low[first:stop], tiles.high[first:stop], box, match)
        week_of_tiles = tiles.week_of[first:stop] - weeks.start
        opened = first + np.flatnonzero(of_tiles.straddling.any(axis=1))
        starts, stops = tiles.leaf_starts[opened], tiles.leaf_starts[opened + 1]
        leaves = ranges(starts, stops)
        week_of_leaves = np.repeat(week_of_tiles[opened - first], stops - starts)
        of_leaves = relate(index.leaves.low[leaves], index.leaves.high[leaves], box, match)
        signed = tiles.signs[first:stop] * tiles.trips[first:stop]
        signs_of_leaves = np.repeat(tiles.signs[opened], stops - starts)
        self._inside = self._by_week(week_of_tiles, np.where(of_tiles.inside, signed, 0))
        self._inside += self._by_week(
            week_of_leaves, np.where(of_leaves.inside, signs_of_leaves * index.leaves.trips[leaves], 0)
        )
        self._inside += index.small.count_weeks(weeks, box, match)
        straddling = np.flatnonzero(of_leaves.straddling.any(axis=1))
        self._straddling = of_leaves.straddling[straddling]
        self._leaves, self._week_of = leaves[straddling], week_of_leaves[straddling]
        self._signs = signs_of_leaves[straddling]
        self._trips = index.leaves.trips[self._leaves]
        self._addresses = index.addresses[self._leaves]
        self._chunks: list[Sequence[bytes]] = [*index.chunks_of(weeks)]
        """Kept so that the addresses stay valid."""
        at, axes = np.nonzero(self._straddling)
        self._rows = np.full(self._straddling.shape, -1)
        self._rows[at, axes] = np.arange(len(at))
        """Shape (straddling leaves, 4): row of each coordinate in `_offset_ranges`."""
        columns = (self._leaves[at], axes)
        decimals = index.leaves.decimals[columns]
        scale = scale_of_bounds(index.leaves.low[columns], index.leaves.high[columns], decimals)
        self._offset_ranges = offset_ranges(box, axes, decimals, scale)
        self._high_ranges = np.zeros((*self._straddling.shape, 4), np.uint16)
        self._high_ranges[at, axes] = self._offset_ranges.high_bits()
        self._inverted = box.west > box.east
        self._any_end = match == "any"
        self._certain = np.zeros(len(straddling), np.int64)
        self._undecided: list[Undecided] = []
        self._resolved = np.zeros(self._n_weeks, np.int64)

    @property
    def n_straddling(self) -> int:
        """Leaves whose trips must be compared with the box one by one."""
        return len(self._leaves)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Matching trips of each week; shape (weeks,)."""
        return self._inside + self._by_week(self._week_of, self._signs * self._certain) + self._resolved

    def missing_high_bits(self) -> ByteRanges:
        """The high bits that must be loaded before counting."""
        return high_bits_ranges(self.index, self._leaves, self._straddling & (self._addresses == 0))

    def load(self, columns: Columns, chunks: Sequence[bytes]) -> None:
        """Adds high bits: where the columns lie in memory, and the chunks that hold them."""
        at = np.searchsorted(self._leaves, columns.leaves)
        at[at == len(self._leaves)] = 0
        used = self._leaves[at] == columns.leaves
        self._addresses[at[used], columns.axes[used]] = columns.addresses[used]
        self._chunks.append(chunks)

    def count(self, part: int = 0, parts: int = 1) -> None:
        """Counts by high bits in one of several parts of the straddling leaves; threads may count parts in parallel.

        Raises:
            ValueError: high bits are missing.
        """
        size = -(-self.n_straddling // parts)
        chosen = slice(part * size, min((part + 1) * size, self.n_straddling))
        if chosen.start >= chosen.stop:
            return
        if (self._straddling[chosen] & (self._addresses[chosen] == 0)).any():
            raise ValueError("high bits are missing")
        arguments = (
            self._addresses[chosen],
            self._trips[chosen],
            self._straddling[chosen],
            self._high_ranges[chosen],
            self._inverted,
            self._any_end,
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
        """The low bits that decide the trips that are not counted yet; None if all are counted."""
        if not self._undecided:
            return None
        self._undecided = [Undecided(*map(np.concatenate, zip(*self._undecided, strict=True)))]
        axes, leaves, _ = self._undecided_columns(self._undecided[0])
        return low_bits_ranges(self.index, self._leaves[leaves], axes)

    def resolve(self, chunks: Sequence[bytes]) -> None:
        """Counts the undecided trips, if any; `chunks` holds one chunk per range of `missing_low_bits`."""
        if not self._undecided:
            return
        (trips,) = self._undecided
        _, _, column_of = self._undecided_columns(trips)
        at, axes = np.nonzero(trips.undecided)
        leaves, places = trips.leaves[at], trips.places[at]
        rows = self._rows[leaves, axes]
        shifts = self._offset_ranges.scale.shifts[rows]
        high_bits = gather_high_bits(self._addresses[leaves, axes], places)
        starts = np.cumsum([0, *map(len, chunks)])[column_of] + places * low_bytes(shifts)
        offsets = decode_offsets(high_bits, shifts, b"".join(chunks), starts)
        between = trips.between.copy()
        between[at, axes] = self._offset_ranges.contain(rows, offsets)
        matches = match_trips(between, self._straddling[trips.leaves], self._any_end)
        self._resolved += self._by_week(self._week_of[trips.leaves], self._signs[trips.leaves] * matches)

    def _undecided_columns(
        self, trips: Undecided
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Coordinate and leaf of each column with undecided values, and the column of each undecided value."""
        at, axes = np.nonzero(trips.undecided)
        columns, column_of = np.unique(axes * self.n_straddling + trips.leaves[at], return_inverse=True)
        return columns // self.n_straddling, columns % self.n_straddling, column_of

    def _by_week(self, week_of: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(week_of, values, self._n_weeks).astype(np.int64)
