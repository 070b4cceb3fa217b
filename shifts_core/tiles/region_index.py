"""The tiles of a region in memory: bounds of all leaves, and where those codes lie that were read."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.decode import LEAF, LEAF_TRIPS, Leaves, read_leaves

PIECE_OVERHEAD_BYTES = 64
"""Of the object that holds a piece of codes, beside the codes."""
_PAIR_OVERHEAD_BYTES = 96
"""Of the list of a pair's pieces."""


class TileRow(NamedTuple):
    """A row of `weekly_trip_tiles` without codes and rests."""

    week: date
    number: int
    trips: int
    leaves: bytes


class Tiles(NamedTuple):
    """The tiles of all pairs of a region, by week and number; `t` stands for how many there are."""

    pairs: NDArray[np.int64]
    """Shape (t,): which pair each is of."""
    numbers: NDArray[np.int64]
    """Shape (t,): within the pair, as stored."""
    trips: NDArray[np.int64]
    """Shape (t,)."""
    low: NDArray[np.float64]
    """Shape (t, 4), bounds as those of leaves."""
    high: NDArray[np.float64]
    """Shape (t, 4)."""
    leaf_starts: NDArray[np.int64]
    """Shape (t + 1,): first leaf of each."""


class Columns(NamedTuple):
    """The codes of one coordinate of one leaf each; shapes (k,)."""

    leaves: NDArray[np.int64]
    """Numbers in the index."""
    axes: NDArray[np.int64]
    """Of which coordinate: 0 to 3."""
    addresses: NDArray[np.int64]
    """Where they lie in memory."""


class RegionTileIndex:
    """All (region, week) pairs of a region at one revision; what is in a version of a pair never changes.

    Codes are kept in the pieces in which they were read, each exactly as long as it is: memory is taken for what
    was read and for nothing else, and given back piece by piece. No piece is as large as what the system maps by
    itself, so that the number of mappings does not depend on the number of pairs.
    """

    def __init__(
        self,
        revision: int,
        weeks: NDArray[np.datetime64],
        versions: NDArray[np.int64],
        tiles: Tiles,
        leaves: Leaves,
    ) -> None:
        self.revision = revision
        """The number by which the database tells this moment from others."""
        self.weeks = weeks
        """Shape (pairs,), rising."""
        self.versions = versions
        """Shape (pairs,)."""
        self.tiles = tiles
        self.leaves = leaves
        self.tile_starts = np.searchsorted(tiles.pairs, np.arange(len(weeks) + 1))
        """Shape (pairs + 1,): first tile of each."""
        self.addresses = np.zeros((len(leaves.trips), 4), np.int64)
        """Shape (leaves, 4): where the codes of each coordinate are; 0 where they are not in memory."""
        self.asked_at = np.zeros(len(weeks))
        """Shape (pairs,): when each was last needed, by a clock that only goes on."""
        self.held = np.zeros(len(weeks), np.int64)
        """Shape (pairs,): bytes of the codes in memory."""
        self._pieces: list[list[bytes]] = [[] for _ in range(len(weeks))]
        arrays = (
            *tiles,
            *leaves,
            weeks,
            versions,
            self.tile_starts,
            self.addresses,
            self.asked_at,
            self.held,
        )
        self.own_bytes = sum(array.nbytes for array in arrays) + _PAIR_OVERHEAD_BYTES * len(weeks)
        """Memory of everything but codes."""
        self.held_bytes = 0
        """Memory of the codes of all pairs."""

    def pieces_of(self, pairs: slice) -> list[list[bytes]]:
        """What the addresses of some pairs lead to: addresses are good as long as this is kept."""
        return self._pieces[pairs]

    def store(self, columns: Columns, pairs: Sequence[int], pieces: Sequence[bytes]) -> int:
        """Takes in pieces of codes and returns the memory that this takes.

        Args:
            columns: all that are in the pieces.
            pairs: of each piece.
            pieces: as they were read.
        """
        self.addresses[columns.leaves, columns.axes] = columns.addresses
        for pair, piece in zip(pairs, pieces, strict=True):
            self._pieces[pair].append(piece)
        sizes = np.array([len(piece) for piece in pieces], np.int64) + PIECE_OVERHEAD_BYTES
        np.add.at(self.held, np.asarray(pairs, np.int64), sizes)
        taken = int(sizes.sum())
        self.held_bytes += taken
        return taken

    def evict(self, pair: int) -> int:
        """Forgets the codes of a pair and returns their memory; who counts from them keeps them as long."""
        freed = int(self.held[pair])
        starts = self.tiles.leaf_starts[self.tile_starts[pair : pair + 2]]
        self.addresses[starts[0] : starts[1]] = 0
        self._pieces[pair] = []
        self.held[pair] = 0
        self.held_bytes -= freed
        return freed

    def unknown(self, versions: Mapping[date, int]) -> list[date]:
        """Weeks of which another version, or none, is here."""
        known = dict(zip(self.weeks.tolist(), self.versions.tolist(), strict=True))
        return [week for week, version in versions.items() if known.get(week) != version]

    def updated(
        self, revision: int, versions: Mapping[date, int], rows: Sequence[TileRow], read: Leaves
    ) -> "RegionTileIndex":
        """The region at another revision; pairs whose version is the same keep what they have.

        Args:
            revision: of the result.
            versions: of all pairs, by week.
            rows: the tiles of the `unknown` weeks.
            read: their leaves.

        Raises:
            ValueError: bounds do not go with the tiles, whose codes could not be found by them.
        """
        mondays = sorted(versions)
        weeks = np.array(mondays, "datetime64[D]")
        numbers = np.array([versions[week] for week in mondays], np.int64)
        # Kept pairs: their place here, and in the result.
        _, before, after = np.intersect1d(self.weeks, weeks, assume_unique=True, return_indices=True)
        same = self.versions[before] == numbers[after]
        before, after = before[same], after[same]
        kept = ranges(self.tile_starts[before], self.tile_starts[before + 1])
        counts = np.concatenate(
            [np.diff(self.tiles.leaf_starts)[kept], leaf_counts([row.leaves for row in rows])]
        )
        firsts = np.concatenate(
            [
                self.tiles.leaf_starts[kept],
                len(self.leaves.trips) + np.cumsum(counts[len(kept) :]) - counts[len(kept) :],
            ]
        )
        place = np.full(len(self.weeks), -1)
        place[before] = after
        pairs = np.concatenate(
            [
                place[self.tiles.pairs[kept]],
                np.searchsorted(weeks, np.array([r.week for r in rows], weeks.dtype)),
            ]
        )
        tile_numbers = np.concatenate(
            [self.tiles.numbers[kept], np.array([r.number for r in rows], np.int64)]
        )
        trips = np.concatenate([self.tiles.trips[kept], np.array([r.trips for r in rows], np.int64)])
        order = np.lexsort((tile_numbers, pairs))
        chosen = ranges(firsts[order], (firsts + counts)[order])
        leaves = Leaves(
            *(np.concatenate([old, new])[chosen] for old, new in zip(self.leaves, read, strict=True)),
        )
        starts = np.concatenate([[0], np.cumsum(counts[order])])
        _check(leaves, starts, trips[order])
        result = RegionTileIndex(
            revision,
            weeks,
            numbers,
            Tiles(
                pairs[order],
                tile_numbers[order],
                trips[order],
                _reduced(np.minimum, leaves.low, starts),
                _reduced(np.maximum, leaves.high, starts),
                starts,
            ),
            leaves,
        )
        unread = np.zeros((len(read.trips), 4), np.int64)
        result.addresses[:] = np.concatenate([self.addresses, unread])[chosen]
        result.asked_at[after], result.held[after] = self.asked_at[before], self.held[before]
        for old, new in zip(before.tolist(), after.tolist(), strict=True):
            result._pieces[new] = self._pieces[old]
        result.held_bytes = int(result.held.sum())
        return result


def empty_index() -> RegionTileIndex:
    """A region of which nothing is known."""
    none = np.zeros(0, np.int64)
    bounds = np.zeros((0, 4))
    tiles = Tiles(none, none, none, bounds, bounds, np.zeros(1, np.int64))
    return RegionTileIndex(-1, np.zeros(0, "datetime64[D]"), none, tiles, read_leaves([]))


def leaf_counts(blobs: Sequence[bytes]) -> NDArray[np.int64]:
    """Leaves in each tile's column `leaves`."""
    return np.array([len(blob) // LEAF.itemsize for blob in blobs], np.int64)


def ranges(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """The whole numbers of ranges, one range behind the other."""
    counts = stops - starts
    numbers: NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(
        starts - (np.cumsum(counts) - counts), counts
    )
    return numbers


def _reduced(by: np.ufunc, bounds: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    if len(starts) == 1:
        return bounds
    reduced: NDArray[np.float64] = by.reduceat(bounds, starts[:-1], axis=0)
    return reduced


def _check(leaves: Leaves, starts: NDArray[np.int64], trips: NDArray[np.int64]) -> None:
    """Codes are found by the number of a leaf, so all but a tile's last one must be full."""
    counts = np.diff(starts)
    last = leaves.trips[starts[1:] - 1] if len(leaves.trips) else trips[:0]
    full = LEAF_TRIPS * (counts - 1)
    others = np.delete(leaves.trips, starts[1:] - 1)
    if (
        (counts < 1).any()
        or (others != LEAF_TRIPS).any()
        or (last < 1).any()
        or (last > LEAF_TRIPS).any()
        or (full + last != trips).any()
    ):
        raise ValueError("tiles and their leaves do not fit together")
