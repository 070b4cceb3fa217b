"""One question to a region's tiles: what the bounds of leaves tell, what is needed beyond, and the counts."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.atlas import Atlas, Pair
from shifts_api.counting.box import Box, Match, Relation, relate
from shifts_api.counting.intervals import Intervals, intervals
from shifts_api.counting.pieces import Pieces, codes_missing, rests_of
from shifts_api.counting.tally import count_decided, count_leaves, find_open


class Doubtful(NamedTuple):
    """Trips of a pair that codes do not decide."""

    place: int
    """Of the pair among those asked about."""
    leaves: NDArray[np.int64]
    """Shape (k,): number among the leaves that the box cuts."""
    trips: NDArray[np.int64]
    """Shape (k,): number in the leaf."""
    between: NDArray[np.bool_]
    """Shape (k, 4): coordinates that lie between the sides for certain."""
    open: NDArray[np.bool_]
    """Shape (k, 4): coordinates of which codes do not tell."""


class Question:
    """How many trips of each pair match; asked in order: `missing`, `count`, `doubts`, `settle`."""

    def __init__(self, atlas: Atlas, pairs: slice, box: Box, match: Match) -> None:
        self._lock = threading.Lock()
        self._pairs = atlas.pairs[pairs]
        for pair in self._pairs:
            pair.asked_at = time.monotonic()
        tiles, starts = atlas.tiles, atlas.starts[pairs.start : pairs.stop + 1]
        of_tiles = relate(tiles.low[starts[0] : starts[-1]], tiles.high[starts[0] : starts[-1]], box, match)
        whole = np.where(of_tiles.inside, tiles.trips[starts[0] : starts[-1]], 0)
        leaves, of_leaves = _leaves_of(
            atlas, starts[0] + np.flatnonzero(of_tiles.cut.any(axis=1)), box, match
        )
        place_of = np.repeat(np.arange(len(self._pairs)), np.diff(starts))
        first_leaves = np.array([*tiles.pair_starts[starts[:-1]], tiles.leaf_starts[starts[-1]]])
        places = np.searchsorted(first_leaves, leaves, side="right") - 1
        inside = np.where(of_leaves.inside, atlas.leaves.trips[leaves], 0)
        self.counts = _sums(place_of, whole, len(self._pairs)) + _sums(places, inside, len(self._pairs))
        """Shape (pairs,): matching trips counted so far."""
        cut = np.flatnonzero(of_leaves.cut.any(axis=1))
        self._cut = of_leaves.cut[cut]
        self._own = leaves[cut] - first_leaves[places[cut]]
        """Shape (cut leaves,): number in the own pair."""
        self._begins = np.searchsorted(places[cut], np.arange(len(self._pairs) + 1))
        """Shape (pairs + 1,): where each pair's begin among the leaves that the box cuts."""
        at, axes = np.nonzero(self._cut)
        self._rows = np.full(self._cut.shape, -1)
        self._rows[at, axes] = np.arange(len(at))
        rows = (leaves[cut][at], axes)
        known = atlas.leaves
        self._trips = known.trips[leaves[cut]]
        """Shape (cut leaves,)."""
        self._bounds: Intervals = intervals(
            box, axes, known.digits[rows], known.base[rows], known.largest[rows], known.shifts[rows]
        )
        self._sides = np.zeros((*self._cut.shape, 4), np.uint16)
        """Shape (cut leaves, 4, 4), see tally.py."""
        self._sides[at, axes] = np.stack(self._bounds.codes(), axis=1)
        self._inverted = box.west > box.east
        self._any_end = match == "any"
        self._doubtful: list[Doubtful] = []

    @property
    def cut_leaves(self) -> int:
        """How many have to be looked into."""
        return len(self._own)

    def missing(self) -> Iterator[Pieces]:
        """The codes that have to be filled into their pairs before counting."""
        for place, pair in enumerate(self._pairs):
            mine = self._of_pair(place)
            pieces = codes_missing(pair, self._cut[mine], self._own[mine])
            if len(pieces.tiles):
                yield pieces

    def count(self, part: int = 0, parts: int = 1) -> None:
        """Adds what codes decide, for one of several parts of the leaves; parts may be counted at one time."""
        for place, pair in enumerate(self._pairs):
            begin, end = int(self._begins[place]), int(self._begins[place + 1])
            size = -(-(end - begin) // parts)
            mine = slice(begin + part * size, min(begin + (part + 1) * size, end))
            if mine.start < mine.stop:
                self._count_slice(place, pair, mine)

    def doubts(self) -> Iterator[tuple[Doubtful, Pieces]]:
        """Trips that are not counted yet, with the rests that decide."""
        for place, pair in enumerate(self._pairs):
            of_pair = [doubtful[1:] for doubtful in self._doubtful if doubtful.place == place]
            if of_pair:
                doubtful = Doubtful(place, *(np.concatenate(column) for column in zip(*of_pair, strict=True)))
                axes, leaves, _ = self._open_columns(doubtful)
                yield doubtful, rests_of(pair, axes, self._own[leaves])

    def settle(self, doubtful: Doubtful, rests: Sequence[bytes]) -> None:
        """Adds doubtful trips by their whole offsets."""
        _, _, column_of = self._open_columns(doubtful)
        at, axes = np.nonzero(doubtful.open)
        leaves, trips = doubtful.leaves[at], doubtful.trips[at]
        bounds = self._bounds.some(self._rows[leaves, axes])
        codes = self._pairs[doubtful.place].codes[axes, self._own[leaves], trips]
        offsets = codes.astype(np.uint64) << bounds.shifts.astype(np.uint64)
        offsets |= _rests(rests, column_of, (bounds.shifts + 7) // 8, trips)
        between = doubtful.between.copy()
        between[at, axes] = ((offsets >= bounds.first) & (offsets <= bounds.last)) ^ bounds.inverted
        self.counts[doubtful.place] += count_decided(between, self._cut[doubtful.leaves], self._any_end)

    def _open_columns(
        self, doubtful: Doubtful
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The columns (a coordinate of a leaf) that do not tell, each once, and which one each open place is of."""
        at, axes = np.nonzero(doubtful.open)
        columns, column_of = np.unique(axes * self.cut_leaves + doubtful.leaves[at], return_inverse=True)
        return columns // self.cut_leaves, columns % self.cut_leaves, column_of

    def _of_pair(self, place: int) -> slice:
        return slice(int(self._begins[place]), int(self._begins[place + 1]))

    def _count_slice(self, place: int, pair: Pair, mine: slice) -> None:
        given = (
            pair.codes,
            self._own[mine],
            self._trips[mine],
            self._cut[mine],
            self._sides[mine],
            self._inverted,
            self._any_end,
        )
        certain, possible = np.empty((2, mine.stop - mine.start), np.int64)
        count_leaves(*given, certain, possible)
        with self._lock:
            self.counts[place] += certain.sum()
        wanted = np.flatnonzero(possible > certain)
        open_trips = int((possible - certain).sum())
        if open_trips:
            leaves, trips = np.empty((2, open_trips), np.int64)
            between, open_ = np.empty((2, open_trips, 4), bool)
            find_open(*given, wanted, leaves, trips, between, open_)
            self._doubtful.append(Doubtful(place, mine.start + leaves, trips, between, open_))


def _leaves_of(
    atlas: Atlas, tiles: NDArray[np.int64], box: Box, match: Match
) -> tuple[NDArray[np.int64], Relation]:
    """The leaves of some tiles, numbered through, and how they lie to the box."""
    starts, stops = atlas.tiles.leaf_starts[tiles], atlas.tiles.leaf_starts[tiles + 1]
    counts = stops - starts
    leaves = np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
    return leaves, relate(atlas.leaves.low[leaves], atlas.leaves.high[leaves], box, match)


def _sums(places: NDArray[np.int64], values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.bincount(places, values, size).astype(np.int64)


def _rests(
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
