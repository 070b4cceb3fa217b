"""Counting from tiles without a database: the pipeline's bytes, read piece by piece as the service asks for them."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.atlas import Atlas, Pair, read_pair
from shifts_api.counting.box import Box, Match
from shifts_api.counting.pieces import Pieces
from shifts_api.counting.question import Question
from shifts_pipeline.tiling.tiles import Tile, build_tiles


def count_by_tiles(ends: NDArray[np.float64], box: Box, match: Match) -> int:
    """Trips that match, from the tiles of `ends`."""
    return count_in(list(build_tiles(ends.copy())), box, match)


def count_in(tiles: list[Tile], box: Box, match: Match) -> int:
    """Trips of some tiles that match."""
    if not tiles:
        return 0
    return int(answer(Atlas(1, [to_pair(tiles)]), {date(2018, 5, 28): tiles}, box, match).sum())


def to_pair(tiles: list[Tile], week: date = date(2018, 5, 28)) -> Pair:
    """Tiles as the service reads them."""
    return read_pair(week, 1, [(number, tile.trips, tile.leaves) for number, tile in enumerate(tiles)])


def answer(atlas: Atlas, tiles: dict[date, list[Tile]], box: Box, match: Match) -> NDArray[np.int64]:
    """Matching trips of each pair; whatever is asked for is taken from `tiles`."""
    question = Question(atlas, slice(0, len(atlas.pairs)), box, match)
    for pieces in question.missing():
        for part in pieces.cut(100_000):
            for axis, leaf, piece in zip(
                part.axes.tolist(), part.leaves.tolist(), _read(part, tiles, "codes"), strict=True
            ):
                part.pair.fill(axis, leaf, piece)
    assert not list(question.missing())
    question.count()
    for doubtful, pieces in question.doubts():
        question.settle(doubtful, _read(pieces, tiles, "rests"))
    return question.counts


def _read(pieces: Pieces, tiles: dict[date, list[Tile]], column: str) -> list[bytes]:
    places = zip(pieces.tiles.tolist(), pieces.starts.tolist(), pieces.sizes.tolist(), strict=True)
    of_pair = tiles[pieces.pair.week]
    return [getattr(of_pair[tile], column)[start : start + size] for tile, start, size in places]


def count_one_by_one(ends: NDArray[np.float64], box: Box, match: Match) -> int:
    """The same from the coordinates themselves."""
    lon, lat = ends[:, ::2], ends[:, 1::2]
    above, below = lon >= box.west, lon <= box.east
    across = (above & below) if box.west <= box.east else (above | below)
    inside = across & (lat >= box.south) & (lat <= box.north)
    chosen = {
        "both": inside.all(axis=1),
        "any": inside.any(axis=1),
        "origin": inside[:, 0],
        "destination": inside[:, 1],
    }
    return int(chosen[match].sum())
