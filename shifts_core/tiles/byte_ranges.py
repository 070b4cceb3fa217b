"""Which bytes of a region's tiles a count must read, and where the columns in them start in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.bounds import ranges
from shifts_core.tiles.format import HIGH_BITS_DTYPE, LEAF_TRIPS, MINUTES, key_of, largest_offset, shift_of
from shifts_core.tiles.region_index import Columns, RegionTileIndex

_MAX_GAP = 6
"""Up to so many leaves that are not needed are read along instead of starting another range."""
_SMALL_TILE_LEAVES = 8
"""In tiles of at most so many leaves a range may span coordinates; so ranges stay below 128 KiB."""
READ_AHEAD_BYTES = 1024**2
"""Size of one part that is read ahead: small, so that requests do not wait long for it."""
_READ_AHEAD_RANGES = 250
_READ_AHEAD_LEAVES = 1000


@dataclass(frozen=True)
class ByteRanges:
    """n ranges of consecutive bytes in the column `high_bits` or `low_bits` of tiles.

    A tile's columns, one per coordinate or minutes and leaf, are numbered by coordinate, then by leaf; minutes follow
    the coordinates.
    """

    tiles: NDArray[np.int64]
    """Shape (n,): positions in the index."""
    starts: NDArray[np.int64]
    """Shape (n,): first byte, from 0."""
    sizes: NDArray[np.int64]
    """Shape (n,): bytes."""
    columns: NDArray[np.int64]
    """Shape (n, 2): number of the first column within, and of the column after the last."""

    def parts(self, max_bytes: int, max_ranges: int) -> Iterator["ByteRanges"]:
        """Divides the ranges into parts of about `max_bytes` and at most `max_ranges`, in order."""
        part = np.maximum(np.cumsum(self.sizes) // max_bytes, np.arange(len(self.sizes)) // max_ranges)
        edges = [*np.flatnonzero(np.diff(part, prepend=-1)).tolist(), len(part)]
        for first, stop in pairwise(edges):
            chosen = slice(first, stop)
            yield ByteRanges(
                self.tiles[chosen], self.starts[chosen], self.sizes[chosen], self.columns[chosen]
            )

    def parameters(self, index: RegionTileIndex) -> list[list[Any]]:
        """Weeks, segments, tile numbers, starts and sizes: the array parameters of statements that read tiles."""
        tiles = index.tiles
        return [
            index.weeks[tiles.week_of[self.tiles]].tolist(),
            tiles.segments[self.tiles].tolist(),
            tiles.numbers[self.tiles].tolist(),
            self.starts.tolist(),
            self.sizes.tolist(),
        ]

    def locate(self, index: RegionTileIndex, chunks: Sequence[bytes]) -> Columns:
        """Where the columns of high bits start in the chunks that were read, one chunk per range.

        Raises:
            ValueError: a chunk has another size than its range.
        """
        if [len(chunk or b"") for chunk in chunks] != self.sizes.tolist():
            raise ValueError("tiles are shorter than their bounds say")
        bases = np.array([_address(chunk) for chunk in chunks], np.int64) - self.starts
        first, stop = self.columns.T
        columns = ranges(first, stop)
        tiles = np.repeat(self.tiles, stop - first)
        axes, leaves = np.divmod(columns, np.diff(index.tiles.leaf_starts)[tiles])
        begins = HIGH_BITS_DTYPE.itemsize * (axes * index.tiles.trips[tiles] + LEAF_TRIPS * leaves)
        return Columns(index.tiles.leaf_starts[tiles] + leaves, axes, np.repeat(bases, stop - first) + begins)


def high_bits_ranges(
    index: RegionTileIndex, leaves: NDArray[np.int64], needed: NDArray[np.bool_]
) -> ByteRanges:
    """The ranges of high bits of some leaves.

    Args:
        index: of the region.
        leaves: shape (k,): positions, ascending.
        needed: shape (k, 5): which coordinates, and whether minutes.
    """
    at, axes = np.nonzero(needed)
    if len(at) == 0:
        none = np.zeros(0, np.int64)
        return ByteRanges(none, none, none, np.zeros((0, 2), np.int64))
    starts = index.tiles.leaf_starts
    tiles = np.searchsorted(starts, leaves[at], side="right") - 1
    counts = np.diff(starts)[tiles]
    columns = axes * counts + leaves[at] - starts[tiles]
    order = np.lexsort((columns, tiles))
    tiles, columns, axes, counts = tiles[order], columns[order], axes[order], counts[order]
    begins = np.ones(len(tiles), bool)
    begins[1:] = (
        (np.diff(tiles) != 0)
        | (np.diff(columns) > _MAX_GAP)
        | ((np.diff(axes) != 0) & (counts[1:] > _SMALL_TILE_LEAVES))
    )
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(tiles))[: len(first)] - 1
    trips = index.tiles.trips[tiles[first]]
    leaf = columns - axes * counts
    start = axes[first] * trips + LEAF_TRIPS * leaf[first]
    stop = axes[last] * trips + np.minimum(LEAF_TRIPS * (leaf[last] + 1), trips)
    return ByteRanges(
        tiles[first],
        HIGH_BITS_DTYPE.itemsize * start,
        HIGH_BITS_DTYPE.itemsize * (stop - start),
        np.stack([columns[first], columns[last] + 1], axis=1),
    )


def low_bits_ranges(index: RegionTileIndex, leaves: NDArray[np.int64], axes: NDArray[np.int64]) -> ByteRanges:
    """The ranges of low bits of some columns, one range per column.

    Args:
        index: of the region.
        leaves: shape (k,): positions, ascending.
        axes: shape (k,): coordinates.
    """
    starts, bounds = index.tiles.leaf_starts, index.leaves
    tiles = np.searchsorted(starts, leaves, side="right") - 1
    begins, sizes = np.empty(len(leaves), np.int64), np.empty(len(leaves), np.int64)
    _fill_low_bits(tiles, leaves, axes, starts, *bounds, begins, sizes)
    columns = axes * np.diff(starts)[tiles] + leaves - starts[tiles]
    return ByteRanges(tiles, begins, sizes, np.stack([columns, columns + 1], axis=1))


@numba.njit(cache=True, nogil=True)
def _fill_low_bits(tiles, leaves, axes, leaf_starts, low, high, trips, decimals, begins, sizes):  # type: ignore[no-untyped-def]
    """Fills where the low bits of each column begin in their tile, and how many bytes they take."""
    tile = -1
    # Low bits have no fixed width: where a column starts follows from all columns before it in its tile.
    widths, ends = np.empty((4, 0), np.int64), np.empty((4, 0), np.int64)
    for number in range(len(tiles)):
        if tiles[number] != tile:
            tile = tiles[number]
            first, stop = leaf_starts[tile], leaf_starts[tile + 1]
            widths, ends = np.empty((4, stop - first), np.int64), np.empty((4, stop - first), np.int64)
            end = 0
            for axis in range(4):
                for leaf in range(first, stop):
                    places = decimals[leaf, axis]
                    largest = largest_offset(
                        key_of(low[leaf, axis], places), key_of(high[leaf, axis], places)
                    )
                    width = (shift_of(largest) + 7) // 8 * trips[leaf]
                    end += width
                    widths[axis, leaf - first], ends[axis, leaf - first] = width, end
        place = leaves[number] - leaf_starts[tile]
        sizes[number] = widths[axes[number], place]
        begins[number] = ends[axes[number], place] - sizes[number]


def read_ahead_ranges(index: RegionTileIndex) -> Iterator[ByteRanges]:
    """The ranges of all high bits that are not in memory, the newest weeks first, in small parts.

    What is in memory is looked up while the parts are consumed.
    """
    starts = index.tiles.leaf_starts[index.tile_starts]
    stop = len(index.weeks)
    while stop > 0:
        first = int(np.searchsorted(starts, starts[stop] - _READ_AHEAD_LEAVES, side="right")) - 1
        first = min(max(first, 0), stop - 1)
        leaves = np.arange(starts[first], starts[stop])
        needed = index.addresses[leaves] == 0
        tiles = slice(index.tile_starts[first], index.tile_starts[stop])
        has_minutes = np.repeat(index.tiles.has_minutes[tiles], np.diff(index.tiles.leaf_starts)[tiles])
        needed[:, MINUTES] &= has_minutes > 0
        missing = high_bits_ranges(index, leaves, needed)
        yield from missing.parts(READ_AHEAD_BYTES, _READ_AHEAD_RANGES)
        stop = first


def _address(chunk: bytes) -> int:
    address: int = np.frombuffer(chunk, np.uint8).__array_interface__["data"][0]
    return address
