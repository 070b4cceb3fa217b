"""Decodes the rows of `shifts_store.segment_tiles`: bounds of tiles, and the trips of small segments."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from shifts_core.tiles.bounds import TileRow
from shifts_core.tiles.codec import Leaves, decode_leaves
from shifts_core.tiles.small_segments import SmallSegments, decode_small_segments


class DecodedTiles(NamedTuple):
    """What `RegionTileIndex.updated` takes."""

    rows: list[TileRow]
    leaves: Leaves
    small: SmallSegments


def decode_tiles(weeks: Sequence[date], found: Sequence[tuple[Any, ...]]) -> DecodedTiles:
    """Decodes rows.

    Args:
        weeks: all Mondays of the region, ascending.
        found: rows with the columns of `segment_tiles`; those with bits are small segments.
    """
    rows, small = [], []
    for week, segment, tile, is_deletion, trips, has_minutes, leaves, high_bits, low_bits in found:
        sign = -1 if is_deletion else 1
        if high_bits is None:
            rows.append(TileRow(week, segment, tile, sign, trips, has_minutes, leaves))
        else:
            small.append((week, sign, leaves, high_bits, low_bits))
    position = {week: number for number, week in enumerate(weeks)}
    return DecodedTiles(
        rows,
        decode_leaves([row.leaves for row in rows]),
        decode_small_segments(
            np.array([position[week] for week, *_ in small], np.int64),
            np.array([sign for _, sign, *_ in small], np.int64),
            [leaves for *_, leaves, _, _ in small],
            [high_bits for *_, high_bits, _ in small],
            [low_bits for *_, low_bits in small],
        ),
    )
