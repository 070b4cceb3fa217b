"""One box counted in a region's tiles: what bounds decide, what has to be read beyond, and the counts by pair."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.box import Box, Match, relate
from shifts_core.tiles.byte_ranges import ByteRanges, codes_missing, rests_of
from shifts_core.tiles.decode import scales
from shifts_core.tiles.intervals import Intervals, intervals
from shifts_core.tiles.kernels import count_leaves, decide, find_open, read_codes
from shifts_core.tiles.region_index import Columns, RegionTileIndex, ranges


class Undecided(NamedTuple):
    """Trips that codes do not decide."""

    leaves: NDArray[np.int64]
    """Shape (k,): number among the leaves that the box cuts."""
    trips: NDArray[np.int64]
    """Shape (k,): number in the leaf."""
    between: NDArray[np.bool_]
    """Shape (k, 4): coordinates that lie between the sides for certain."""
    open: NDArray[np.bool_]
    """Shape (k, 4): coordinates of which codes do not tell."""


class BoxCount:
    """How many trips of each pair match; used in order: `missing` and `load`, `count`, `rests`, `resolve`, `counts`.

    It keeps the codes that it counts from, whatever the index forgets meanwhile.
    """

    def __init__(self, index: RegionTileIndex, pairs: slice, box: Box, match: Match) -> None:
        self.index = index
        self._n_pairs = pairs.stop - pairs.start
        index.asked_at[pairs] = time.monotonic()
        tiles = index.tiles
        first, stop = index.tile_starts[pairs.start], index.tile_starts[pairs.stop]
        of_tiles = relate(tiles.low[first:stop], tiles.high[first:stop], box, match)
        place_of = tiles.pairs[first:stop] - pairs.start
        opened = first + np.flatnonzero(of_tiles.cut.any(axis=1))
        starts, stops = tiles.leaf_starts[opened], tiles.leaf_starts[opened + 1]
        leaves = ranges(starts, stops)
        places = np.repeat(place_of[opened - first], stops - starts)
        of_leaves = relate(index.leaves.low[leaves], index.leaves.high[leaves], box, match)
        self._whole = self._by_pair(place_of, np.where(of_tiles.inside, tiles.trips[first:stop], 0))
        self._whole += self._by_pair(places, np.where(of_leaves.inside, index.leaves.trips[leaves], 0))
        cut = np.flatnonzero(of_leaves.cut.any(axis=1))
        self._cut = of_leaves.cut[cut]
        self._leaves, self._places = leaves[cut], places[cut]
        self._trips = index.leaves.trips[self._leaves]
        self._addresses = index.addresses[self._leaves]
        self._kept: list[Sequence[bytes]] = [*index.pieces_of(pairs)]
        at, axes = np.nonzero(self._cut)
        self._rows = np.full(self._cut.shape, -1)
        self._rows[at, axes] = np.arange(len(at))
        rows = (self._leaves[at], axes)
        digits = index.leaves.digits[rows]
        scale = scales(index.leaves.low[rows], index.leaves.high[rows], digits)
        self._bounds: Intervals = intervals(box, axes, digits, scale.base, scale.largest, scale.shifts)
        self._sides = np.zeros((*self._cut.shape, 4), np.uint16)
        """Shape (cut leaves, 4, 4), see tally.py."""
        self._sides[at, axes] = np.stack(self._bounds.codes(), axis=1)
        self._inverted = box.west > box.east
        self._any_end = match == "any"
        self._certain = np.zeros(len(cut), np.int64)
        self._undecided: list[Undecided] = []
        self._resolved = np.zeros(self._n_pairs, np.int64)

    @property
    def cut_leaves(self) -> int:
        """How many have to be looked into."""
        return len(self._leaves)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Matching trips of each pair; shape (pairs,)."""
        return self._whole + self._by_pair(self._places, self._certain) + self._resolved

    def missing(self) -> ByteRanges:
        """The codes that have to be loaded before counting."""
        return codes_missing(self.index, self._leaves, self._cut & (self._addresses == 0))

    def load(self, columns: Columns, pieces: Sequence[bytes]) -> None:
        """Takes in codes that were read: where they lie, and the pieces that hold them."""
        at = np.searchsorted(self._leaves, columns.leaves)
        at[at == len(self._leaves)] = 0
        mine = self._leaves[at] == columns.leaves
        self._addresses[at[mine], columns.axes[mine]] = columns.addresses[mine]
        self._kept.append(pieces)

    def count(self, part: int = 0, parts: int = 1) -> None:
        """Counts what codes decide, for one of several parts of the leaves; parts may be counted at one time.

        Raises:
            ValueError: codes are missing.
        """
        size = -(-self.cut_leaves // parts)
        mine = slice(part * size, min((part + 1) * size, self.cut_leaves))
        if mine.start >= mine.stop:
            return
        if (self._cut[mine] & (self._addresses[mine] == 0)).any():
            raise ValueError("codes are counted before they are read")
        given = (
            self._addresses[mine],
            self._trips[mine],
            self._cut[mine],
            self._sides[mine],
            self._inverted,
            self._any_end,
        )
        possible = np.empty(mine.stop - mine.start, np.int64)
        certain = self._certain[mine]
        count_leaves(*given, certain, possible)
        n_open = int((possible - certain).sum())
        if n_open:
            leaves, trips = np.empty((2, n_open), np.int64)
            between, open_ = np.empty((2, n_open, 4), bool)
            find_open(*given, np.flatnonzero(possible > certain), leaves, trips, between, open_)
            self._undecided.append(Undecided(mine.start + leaves, trips, between, open_))

    def rests(self) -> ByteRanges | None:
        """The rests that decide the trips that are not counted yet; None where all are."""
        if not self._undecided:
            return None
        self._undecided = [
            Undecided(*(np.concatenate(column) for column in zip(*self._undecided, strict=True)))
        ]
        axes, leaves, _ = self._open_columns(self._undecided[0])
        return rests_of(self.index, self._leaves[leaves], axes)

    def resolve(self, rests: Sequence[bytes]) -> None:
        """Counts the undecided trips by their whole offsets."""
        (undecided,) = self._undecided
        _, _, column_of = self._open_columns(undecided)
        at, axes = np.nonzero(undecided.open)
        leaves, trips = undecided.leaves[at], undecided.trips[at]
        bounds = self._bounds.some(self._rows[leaves, axes])
        codes = read_codes(self._addresses[leaves, axes], trips)
        offsets = codes.astype(np.uint64) << bounds.shifts.astype(np.uint64)
        offsets |= _single_rests(rests, column_of, (bounds.shifts + 7) // 8, trips)
        between = undecided.between.copy()
        between[at, axes] = ((offsets >= bounds.first) & (offsets <= bounds.last)) ^ bounds.inverted
        matches = decide(between, self._cut[undecided.leaves], self._any_end)
        self._resolved += self._by_pair(self._places[undecided.leaves], matches)

    def _open_columns(
        self, undecided: Undecided
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The columns (a coordinate of a leaf) that do not tell, each once, and which one each open place is of."""
        at, axes = np.nonzero(undecided.open)
        columns, column_of = np.unique(axes * self.cut_leaves + undecided.leaves[at], return_inverse=True)
        return columns // self.cut_leaves, columns % self.cut_leaves, column_of

    def _by_pair(
        self, places: NDArray[np.int64], values: NDArray[np.int64] | NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        return np.bincount(places, values, self._n_pairs).astype(np.int64)


def _single_rests(
    columns: Sequence[bytes],
    column_of: NDArray[np.int64],
    widths: NDArray[np.int64],
    trips: NDArray[np.int64],
) -> NDArray[np.uint64]:
    """The rests of single trips out of whole columns'; shape (k,).

    Args:
        columns: as stored.
        column_of: shape (k,).
        widths: shape (k,), bytes of one rest.
        trips: shape (k,), number in the leaf.
    """
    starts = np.cumsum([0, *map(len, columns)])[column_of] + trips * widths
    stored = np.frombuffer(b"".join(columns), np.uint8)
    rests = np.zeros((len(trips), 8), np.uint8)
    for byte in range(int(widths.max(initial=0))):
        has = widths > byte
        rests[has, byte] = stored[starts[has] + byte]
    return rests.view("<u8")[:, 0]
