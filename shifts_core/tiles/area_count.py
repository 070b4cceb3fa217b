"""Counts the trips of a region by the areas of their ends, week by week and hour by hour if wanted.

Bounds decide first, then a grid over the areas, then the edges near a trip, in the end low bits. Everything is exact:
points are in an area if PostGIS' `ST_Intersects` says so.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles import area_kernels as kernels
from shifts_core.tiles import end_states, one_area_kernels
from shifts_core.tiles.area_grid import AreaGrid
from shifts_core.tiles.area_members import add_sets
from shifts_core.tiles.box import Match
from shifts_core.tiles.byte_ranges import ByteRanges, low_bits_ranges
from shifts_core.tiles.format import scale_of_bounds
from shifts_core.tiles.leaf_count import LeafCount, check_low_bits
from shifts_core.tiles.region_index import RegionTileIndex
from shifts_core.tiles.small_segments import WHOLE_WEEK

HOURS = 168
"""Of a week."""
_MATCHES: dict[Match, int] = {
    "both": end_states.BOTH,
    "any": end_states.ANY,
    "origin": end_states.ORIGIN,
    "destination": end_states.DESTINATION,
}
_COUNTED_AS: dict[Match, tuple[int, int]] = {
    "both": (0, 0),
    "any": (0, 0),
    "origin": (0, 1),
    "destination": (1, 0),
}
"""The pair as which a trip that matches one area counts."""


class AreaCount(LeafCount):
    """Counts trips by pairs of areas: `pairs`, or those in one area: `counts`, after the steps of `LeafCount`.

    Args:
        index: of the region.
        weeks: positions of the weeks to count.
        grid: of the areas.
        match: which ends must lie in an area.
        minute_ranges: as of `BoxCount`.
        by_hour: whether to count each hour of the week by itself. Then, too, weeks some of whose tiles store no
            minutes count 0.
    """

    LEAVES_PER_THREAD = 150

    def __init__(
        self,
        index: RegionTileIndex,
        weeks: slice,
        grid: AreaGrid,
        match: Match,
        minute_ranges: NDArray[np.int64] | None = None,
        *,
        by_hour: bool = False,
    ) -> None:
        self._grid, self._by_hour, self._match = _as_tuple(grid), by_hour, match
        self._cells = grid.states.astype(np.int8) if len(grid.edges.areas) == 1 else None
        """States in one byte each, of the grid of one area."""
        self._minute_ranges = WHOLE_WEEK if minute_ranges is None else minute_ranges
        timed = by_hour or minute_ranges is not None
        n_weeks = weeks.stop - weeks.start
        skipped = index.without_minutes(weeks) if timed else np.zeros(n_weeks, bool)
        n_areas, n_sets = len(grid.edges.areas), len(grid.set_starts) - 1
        self._bins_of_week = HOURS if by_hour else 1
        bins = n_weeks * self._bins_of_week
        self._shapes = (bins, n_sets, n_sets), (bins, n_areas + 1, n_areas + 1)
        sets, self._pairs = (np.zeros(shape, np.int64) for shape in self._shapes)
        tiles, bounds = index.tiles, index.leaves
        chosen = int(index.tile_starts[weeks.start]), int(index.tile_starts[weeks.stop]), weeks.start
        leaves, tile_of, needed, self._states = end_states.relate_leaves(
            (tiles.low, tiles.high, tiles.trips, tiles.signs, tiles.week_of, tiles.leaf_starts),
            (bounds.low, bounds.high, bounds.trips),
            chosen,
            self._grid,
            _MATCHES[match],
            timed,
            skipped,
            sets,
        )
        kernels.count_small(
            self._grid,
            tuple(index.small),
            self._minute_ranges,
            (weeks.start, weeks.stop),
            skipped,
            _MATCHES[match],
            by_hour,
            self._pairs,
        )
        add_sets(self._grid, sets, self._pairs)
        super().__init__(index, weeks, leaves, needed)
        self._bins = (tiles.week_of[tile_of] - weeks.start) * self._bins_of_week
        self._signs = tiles.signs[tile_of]
        self._bounds = bounds.low[leaves], bounds.high[leaves], bounds.decimals[leaves]
        self._undecided: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._counted: list[NDArray[np.int64]] = []
        self._low_columns: tuple[NDArray[np.int64], NDArray[np.int64]]
        self._low_sizes: list[int] = []

    @property
    def counts(self) -> NDArray[np.int64]:
        """Trips that match, of one area; shape (weeks, 1 or 168)."""
        pairs = self.pairs
        inside = pairs[..., 0, 0]
        if self._match == "both":
            return inside
        # An end that does not matter counts as one in no area.
        if self._match == "any":
            return inside + pairs[..., 0, 1] + pairs[..., 1, 0]
        return pairs[..., 0, 1] if self._match == "origin" else pairs[..., 1, 0]

    @property
    def pairs(self) -> NDArray[np.int64]:
        """Trips by week, hour, area of the origin and of the destination; shape (weeks, 1 or 168, z + 1, z + 1).

        The last area of the z + 1 stands for none, and for an end that does not matter. Of trips that do not match,
        some are counted, in pairs of which not all areas exist.
        """
        counts: NDArray[np.int64] = np.add.reduce([self._pairs, *self._counted])
        return counts.reshape(self._n_weeks, self._bins_of_week, *self._shapes[1][1:])

    def _count(self, chosen: slice) -> None:
        sets, pairs = (np.zeros(shape, np.int64) for shape in self._shapes)
        low, high, decimals = self._bounds
        of_leaves = (
            (low[chosen], high[chosen], decimals[chosen]),
            self._addresses[chosen],
            self._trips[chosen],
            self._states[chosen],
            self._needed[chosen],
            self._bins[chosen],
            self._signs[chosen],
            self._minute_ranges,
            _MATCHES[self._match],
            self._by_hour,
        )
        if self._cells is None:
            leaves, places = kernels.count_trips(self._grid, *of_leaves, sets, pairs)
            add_sets(self._grid, sets, pairs)
        else:
            edges, frame, *_ = self._grid
            matching = np.zeros(len(pairs), np.int64)
            leaves, places = one_area_kernels.count_in_area(edges, frame, self._cells, *of_leaves, matching)
            pairs[:, *_COUNTED_AS[self._match]] = matching
        self._counted.append(pairs)
        if len(leaves):
            self._undecided.append((leaves + chosen.start, places))

    def missing_low_bits(self) -> ByteRanges | None:
        """The low bits of the open ends of undecided trips; None if all are counted."""
        if not self._undecided:
            return None
        leaves, places = map(np.concatenate, zip(*self._undecided, strict=True))
        self._undecided = [(leaves, places)]
        used = np.unique(leaves)
        low, high, decimals = (each[used] for each in self._bounds)
        needed = self._needed[used, :4] & (scale_of_bounds(low, high, decimals).shifts > 0)
        at, axes = map(np.ascontiguousarray, needed.nonzero())
        self._low_columns = used[at], axes
        ranges = low_bits_ranges(self.index, self._leaves[used[at]], axes)
        self._low_sizes = ranges.sizes.tolist()
        return ranges

    def resolve(self, chunks: Sequence[bytes | None]) -> None:
        """Counts the undecided trips."""
        if not self._undecided:
            return
        low_bits = check_low_bits(chunks, self._low_sizes)
        ((leaves, places),) = self._undecided
        starts = np.zeros((self.n_straddling, 4), np.int64)
        starts[self._low_columns] = np.cumsum([0, *self._low_sizes])[:-1]
        kernels.resolve_trips(
            self._grid,
            self._bounds,
            self._addresses,
            self._states,
            self._bins,
            self._signs,
            self._by_hour,
            leaves,
            places,
            starts,
            low_bits,
            self._pairs,
        )


def _as_tuple(grid: AreaGrid) -> tuple[object, ...]:
    """As kernels take it: plain tuples compile once."""
    edges, *others = grid
    return tuple(edges), *others
