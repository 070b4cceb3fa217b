"""Counting from tiles without a database: the pipeline's bytes, read piece by piece as the service asks for them."""

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.box import Box, Match
from shifts_api.counting.question import CutTiles, Question
from shifts_pipeline.tiling.tiles import Tile, build_tiles


def count_by_tiles(ends: NDArray[np.float64], box: Box, match: Match) -> int:
    """Trips that match, from the tiles of `ends`."""
    return count_in(list(build_tiles(ends.copy())), box, match)


def count_in(tiles: list[Tile], box: Box, match: Match) -> int:
    """Trips of some tiles that match; every tile is looked into, as if the box cut it."""
    if not tiles:
        return 0
    question = Question(box, match, CutTiles(np.array([t.trips for t in tiles]), [t.leaves for t in tiles]))
    for step in question.steps():
        places = zip(
            *(a.tolist() for a in (step.codes.tiles, step.codes.starts, step.codes.sizes)), strict=True
        )
        question.count(step, [tiles[tile].codes[start : start + size] for tile, start, size in places])
    for doubtful in question.doubtful_steps():
        rests = doubtful.rests
        places = zip(*(a.tolist() for a in (rests.tiles, rests.starts, rests.sizes)), strict=True)
        question.count_exactly(
            doubtful, [tiles[tile].rests[start : start + size] for tile, start, size in places]
        )
    return int(question.counts.sum())


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
