"""Which pieces of tiles a question needs that are not in memory yet."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.atlas import CODE_BYTES, Pair
from shifts_api.counting.leaves import LEAF_TRIPS

_WORTH_ASKING = 6
"""So many leaves that nobody needs are read along, rather than asking for another piece."""


@dataclass(frozen=True)
class Pieces:
    """Consecutive bytes of tiles of one pair; shapes (pieces,)."""

    pair: Pair
    tiles: NDArray[np.int64]
    """Numbers as stored."""
    starts: NDArray[np.int64]
    """First byte within the tile's column, from 0."""
    sizes: NDArray[np.int64]
    """Bytes."""
    axes: NDArray[np.int64]
    """Of which coordinate: 0 to 3."""
    leaves: NDArray[np.int64]
    """The pair's leaf that the piece begins with."""

    def cut(self, limit: int) -> Iterator["Pieces"]:
        """The same in parts of at most `limit` bytes, or of one piece."""
        part = np.cumsum(self.sizes) // limit
        for number in np.unique(part).tolist():
            chosen = part == number
            yield Pieces(
                self.pair,
                self.tiles[chosen],
                self.starts[chosen],
                self.sizes[chosen],
                self.axes[chosen],
                self.leaves[chosen],
            )


def codes_missing(pair: Pair, cut: NDArray[np.bool_], leaves: NDArray[np.int64]) -> Pieces:
    """The codes of some leaves of a pair that it does not hold.

    Args:
        pair: whose leaves.
        cut: shape (k, 4): which coordinates are needed.
        leaves: shape (k,), rising.
    """
    # By coordinate first, as the codes lie.
    axes, at = np.nonzero((cut & ~pair.known[:, leaves].T).T)
    needed = leaves[at]
    tiles, numbers = pair.leaves.tiles[needed], pair.leaves.numbers[needed]
    begins = np.ones(len(axes), bool)
    begins[1:] = (np.diff(axes) != 0) | (np.diff(tiles) != 0) | (np.diff(numbers) > _WORTH_ASKING)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(axes))[: len(first)] - 1
    whole = pair.tile_trips[tiles[first]]
    start = numbers[first] * LEAF_TRIPS
    stop = np.minimum((numbers[last] + 1) * LEAF_TRIPS, whole)
    return Pieces(
        pair,
        pair.tile_numbers[tiles[first]],
        CODE_BYTES * (axes[first] * whole + start),
        CODE_BYTES * (stop - start),
        axes[first],
        needed[first],
    )


def rests_of(pair: Pair, axes: NDArray[np.int64], leaves: NDArray[np.int64]) -> Pieces:
    """The rests of single coordinates of leaves of a pair; shapes (k,)."""
    widths, starts = (place[leaves, axes] for place in pair.rest_places)
    tiles = pair.tile_numbers[pair.leaves.tiles[leaves]]
    return Pieces(pair, tiles, starts, widths * pair.leaves.trips[leaves], axes, leaves)
