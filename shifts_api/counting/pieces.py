"""Which pieces of tiles a question needs, and their bytes put in rows: one row a coordinate of a leaf."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.leaves import LEAF_TRIPS

CODE_BYTES = 2
PAD = np.uint16(0xFFFF)
"""Behind the last trip of a row; no interval of codes has it."""
ROW = 1000
"""Codes of a row, a leaf's and padding: a multiple of eight."""
_WORTH_ASKING = 6
"""So many leaves that nobody needs are read along, rather than asking for another piece."""


@dataclass(frozen=True)
class Pieces:
    """Consecutive codes of one coordinate of one tile each; shapes (pieces,)."""

    tiles: NDArray[np.int64]
    starts: NDArray[np.int64]
    """First byte within the tile's `codes`, from 0."""
    sizes: NDArray[np.int64]
    """Bytes."""
    rows: NDArray[np.int64]
    """Shape (needed,): where the codes of each needed leaf and coordinate come to lie."""


def plan(
    axes: NDArray[np.int64],
    tiles: NDArray[np.int64],
    numbers: NDArray[np.int64],
    trips_of_tile: NDArray[np.int64],
) -> Pieces:
    """The pieces for needed leaves, in order of coordinate, tile and number.

    Args:
        axes: shape (needed,): 0 to 3.
        tiles: shape (needed,).
        numbers: shape (needed,), of the leaf in its tile.
        trips_of_tile: shape (tiles,).
    """
    begins = np.ones(len(axes), bool)
    begins[1:] = (np.diff(axes) != 0) | (np.diff(tiles) != 0) | (np.diff(numbers) > _WORTH_ASKING)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(axes)) - 1
    leaves = numbers[last] - numbers[first] + 1
    before = np.cumsum(leaves) - leaves
    piece = np.cumsum(begins) - 1
    whole = trips_of_tile[tiles[first]]
    start = numbers[first] * LEAF_TRIPS
    stop = np.minimum((numbers[last] + 1) * LEAF_TRIPS, whole)
    return Pieces(
        tiles[first],
        CODE_BYTES * (axes[first] * whole + start),
        CODE_BYTES * (stop - start),
        before[piece] + numbers - numbers[first][piece],
    )


def in_rows(pieces: Sequence[bytes]) -> NDArray[np.uint16]:
    """The codes of all leaves of the pieces, padded; shape (rows, ROW)."""
    counts = [-(-len(piece) // (CODE_BYTES * LEAF_TRIPS)) for piece in pieces]
    rows = np.full((sum(counts), ROW), PAD, np.uint16)
    place = 0
    for piece, count in zip(pieces, counts, strict=True):
        codes = np.frombuffer(piece, "<u2")
        whole = len(codes) // LEAF_TRIPS
        rows[place : place + whole, :LEAF_TRIPS] = codes[: whole * LEAF_TRIPS].reshape(whole, LEAF_TRIPS)
        if whole < count:
            rows[place + whole, : len(codes) - whole * LEAF_TRIPS] = codes[whole * LEAF_TRIPS :]
        place += count
    return rows


def batches(sizes: NDArray[np.int64], limit: int) -> Iterator[slice]:
    """Cuts consecutive things into batches of at most `limit` bytes, or of one thing."""
    start, held = 0, 0
    for at, size in enumerate(sizes.tolist()):
        if held and held + size > limit:
            yield slice(start, at)
            start, held = at, 0
        held += size
    if start < len(sizes):
        yield slice(start, len(sizes))
