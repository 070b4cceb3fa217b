"""Which bytes of a region's tiles are to be read, and where the codes in them belong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.decode import LEAF_TRIPS, scales
from shifts_core.tiles.region_index import Columns, RegionTileIndex, ranges

_CODE_BYTES = 2
_WORTH_ASKING = 6
"""So many leaves that nobody needs are read along, rather than asking for another piece."""
_SMALL_LEAVES = 8
"""A tile of at most so many leaves is read across its coordinates; pieces stay below 128 KiB."""


@dataclass(frozen=True)
class ByteRanges:
    """Consecutive bytes of the codes, or of the rests, of tiles; shapes (n,)."""

    tiles: NDArray[np.int64]
    """Numbers in the index."""
    starts: NDArray[np.int64]
    """First byte within the tile's column, from 0."""
    sizes: NDArray[np.int64]
    """Bytes."""
    columns: NDArray[np.int64]
    """Shape (n, 2): of codes, the first of a tile's columns (a coordinate of a leaf, by coordinate) and the one
    behind the last."""

    def parts(self, max_bytes: int, max_ranges: int) -> Iterator["ByteRanges"]:
        """The same in parts of about so many bytes and at most so many ranges, in order."""
        part = np.maximum(np.cumsum(self.sizes) // max_bytes, np.arange(len(self.sizes)) // max_ranges)
        edges = [*np.flatnonzero(np.diff(part, prepend=-1)).tolist(), len(part)]
        for first, stop in pairwise(edges):
            chosen = slice(first, stop)
            yield ByteRanges(
                self.tiles[chosen], self.starts[chosen], self.sizes[chosen], self.columns[chosen]
            )

    def parameters(self, index: RegionTileIndex) -> list[list[Any]]:
        """Weeks, tiles, starts and sizes, as the functions that read tiles take them."""
        weeks = index.weeks[index.tiles.pairs[self.tiles]].tolist()
        return [weeks, index.tiles.numbers[self.tiles].tolist(), self.starts.tolist(), self.sizes.tolist()]

    def located(self, index: RegionTileIndex, pieces: Sequence[bytes]) -> Columns:
        """Where the codes in pieces lie.

        Raises:
            ValueError: a piece is not as long as was asked for.
        """
        if [len(piece or b"") for piece in pieces] != self.sizes.tolist():
            raise ValueError("tiles are shorter than their bounds say")
        bases = np.array([_address(piece) for piece in pieces], np.int64) - self.starts
        first, stop = self.columns.T
        column = ranges(first, stop)
        tiles = np.repeat(self.tiles, stop - first)
        axes, numbers = np.divmod(column, np.diff(index.tiles.leaf_starts)[tiles])
        places = _CODE_BYTES * (axes * index.tiles.trips[tiles] + LEAF_TRIPS * numbers)
        return Columns(
            index.tiles.leaf_starts[tiles] + numbers, axes, np.repeat(bases, stop - first) + places
        )


def codes_missing(index: RegionTileIndex, leaves: NDArray[np.int64], needed: NDArray[np.bool_]) -> ByteRanges:
    """The codes of some leaves that are to be read.

    Args:
        index: whose leaves.
        leaves: shape (k,), rising.
        needed: shape (k, 4): of which coordinates.
    """
    at, axes = np.nonzero(needed)
    starts = index.tiles.leaf_starts
    tiles = np.searchsorted(starts, leaves[at], side="right") - 1
    counts = np.diff(starts)[tiles]
    columns = axes * counts + leaves[at] - starts[tiles]
    order = np.lexsort((columns, tiles))
    tiles, columns, axes, counts = tiles[order], columns[order], axes[order], counts[order]
    begins = np.ones(len(tiles), bool)
    begins[1:] = (
        (np.diff(tiles) != 0)
        | (np.diff(columns) > _WORTH_ASKING)
        | ((np.diff(axes) != 0) & (counts[1:] > _SMALL_LEAVES))
    )
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(tiles))[: len(first)] - 1
    trips = index.tiles.trips[tiles[first]]
    begin = axes[first] * trips + LEAF_TRIPS * (columns - axes * counts)[first]
    end = axes[last] * trips + np.minimum(LEAF_TRIPS * ((columns - axes * counts)[last] + 1), trips)
    return ByteRanges(
        tiles[first],
        _CODE_BYTES * begin,
        _CODE_BYTES * (end - begin),
        np.stack([columns[first], columns[last] + 1], axis=1),
    )


def rests_of(index: RegionTileIndex, leaves: NDArray[np.int64], axes: NDArray[np.int64]) -> ByteRanges:
    """The rests of single coordinates of leaves; shapes (k,)."""
    starts = index.tiles.leaf_starts
    tiles, tile_of = np.unique(np.searchsorted(starts, leaves, side="right") - 1, return_inverse=True)
    # All leaves of these tiles: first of all leaves' first coordinate, then of all leaves' second.
    whole = ranges(starts[tiles], starts[tiles + 1])
    counts = starts[tiles + 1] - starts[tiles]
    firsts = np.cumsum(counts) - counts
    known = index.leaves
    widths = (scales(known.low[whole], known.high[whole], known.digits[whole]).shifts + 7) // 8
    sizes = widths * known.trips[whole][:, None]
    before = np.cumsum(sizes, axis=0) - sizes
    of_axis = np.add.reduceat(sizes, firsts, axis=0)
    own = firsts[tile_of] + leaves - starts[tiles[tile_of]]
    begins = (
        before[own, axes]
        - before[firsts[tile_of], axes]
        + (np.cumsum(of_axis, axis=1) - of_axis)[tile_of, axes]
    )
    return ByteRanges(tiles[tile_of], begins, sizes[own, axes], np.zeros((len(leaves), 2), np.int64))


def _address(piece: bytes) -> int:
    address: int = np.frombuffer(piece, np.uint8).__array_interface__["data"][0]
    return address
