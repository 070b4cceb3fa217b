"""A region's leaves in memory, week by week, with as many of their codes as were asked for before."""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.leaves import LEAF_TRIPS, Leaves, concatenated, read_leaves, rest_places

CODE_BYTES = 2


@dataclass
class Pair:
    """The tiles of a (region, week) in one version: what is in them never changes."""

    week: date
    version: int
    tile_numbers: NDArray[np.int64]
    """Shape (tiles,), as stored."""
    tile_trips: NDArray[np.int64]
    """Shape (tiles,)."""
    leaves: Leaves
    codes: NDArray[np.uint16] = field(init=False)
    """Shape (4, leaves, LEAF_TRIPS); filled as far as `known`. The system gives memory when it is filled."""
    known: NDArray[np.bool_] = field(init=False)
    """Shape (4, leaves)."""
    asked_at: float = field(init=False, default=0.0)
    """When it was last needed, by a clock that only goes on."""

    def __post_init__(self) -> None:
        self.codes = _untouched((4, len(self.leaves.trips), LEAF_TRIPS))
        self.known = np.zeros((4, len(self.leaves.trips)), bool)

    @cached_property
    def rest_places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bytes of one rest, and where those of each leaf begin in its tile's `rests`; shapes (leaves, 4)."""
        return rest_places(self.leaves)

    @property
    def held_bytes(self) -> int:
        """Memory that its codes take."""
        return int(self.known.sum()) * LEAF_TRIPS * CODE_BYTES

    def emptied(self) -> "Pair":
        """The same without codes."""
        return Pair(self.week, self.version, self.tile_numbers, self.tile_trips, self.leaves)

    def fill(self, axis: int, first_leaf: int, piece: bytes) -> None:
        """Takes in consecutive codes of one coordinate, from the beginning of a leaf to the end of one."""
        codes = np.frombuffer(piece, "<u2")
        whole, rest = divmod(len(codes), LEAF_TRIPS)
        here = self.codes[axis, first_leaf:]
        here[:whole] = codes[: whole * LEAF_TRIPS].reshape(whole, LEAF_TRIPS)
        if rest:
            here[whole, :rest] = codes[whole * LEAF_TRIPS :]
        self.known[axis, first_leaf : first_leaf + whole + bool(rest)] = True


def _untouched(shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """An array that takes memory where it is written to, a small page at a time."""
    memory = mmap.mmap(-1, max(int(np.prod(shape)) * CODE_BYTES, 1))
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.uint16, int(np.prod(shape))).reshape(shape)


def read_pair(week: date, version: int, tiles: Sequence[tuple[int, int, bytes]]) -> Pair:
    """A pair from its rows: number, trips and leaves of each tile, in order."""
    numbers, trips, blobs = zip(*tiles, strict=True) if tiles else ((), (), ())
    return Pair(
        week, version, np.array(numbers, np.int64), np.array(trips, np.int64), read_leaves(list(blobs))
    )


@dataclass(frozen=True)
class Tiles:
    """The tiles of all pairs of a region."""

    low: NDArray[np.float64]
    """Shape (tiles, 4), bounds as those of leaves."""
    high: NDArray[np.float64]
    trips: NDArray[np.int64]
    """Shape (tiles,)."""
    leaf_starts: NDArray[np.int64]
    """Shape (tiles + 1,): the first leaf of each, numbered through."""
    pair_starts: NDArray[np.int64]
    """Shape (tiles,): the first leaf of each one's pair."""


class Atlas:
    """All pairs of a region at one moment, by week; the leaves of all are numbered through."""

    def __init__(self, state: int, pairs: Sequence[Pair]) -> None:
        self.state = state
        """The number by which the database tells of this moment."""
        self.pairs = sorted(pairs, key=lambda pair: pair.week)
        self.weeks = [pair.week for pair in self.pairs]
        self.leaves = concatenated([pair.leaves for pair in self.pairs])
        self.tiles = self._tiles()
        self.starts = np.cumsum([0, *(len(pair.tile_trips) for pair in self.pairs)])
        """Shape (pairs + 1,): the first tile of each."""

    @property
    def held_bytes(self) -> int:
        """Memory that the codes of all pairs take."""
        return sum(pair.held_bytes for pair in self.pairs)

    def _tiles(self) -> "Tiles":
        first = np.flatnonzero(self.leaves.numbers == 0)
        own = np.cumsum([0, *(len(pair.leaves.trips) for pair in self.pairs)])
        tiles_of_pairs = [len(pair.tile_trips) for pair in self.pairs]
        if not len(first):
            none = np.empty((0, 4))
            return Tiles(none, none, first, first, first)
        return Tiles(
            np.minimum.reduceat(self.leaves.low, first, axis=0),
            np.maximum.reduceat(self.leaves.high, first, axis=0),
            np.add.reduceat(self.leaves.trips, first),
            np.append(first, len(self.leaves.numbers)),
            np.repeat(own[:-1], tiles_of_pairs),
        )
