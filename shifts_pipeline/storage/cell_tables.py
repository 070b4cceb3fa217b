"""Builds the cells of a (region, week) pair, and writes their tiles together with the pair's aggregates."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import psycopg

from shifts_core.cells.generalise import generalise
from shifts_core.cells.pools import FileTrips, assign_pools
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import Tile
from shifts_core.time_filter import minutes_of_week
from shifts_pipeline.storage.region_week import PairTrips
from shifts_pipeline.storage.segments import copy_tiles, reserve

_IN_NO_POOL = -1


class PairCells(NamedTuple):
    """The cells of a pair, as tiles of generalised trips."""

    tiles: Sequence[Tile]
    pools: dict[int, int | None]
    """File id → its pool; None: the trips of the file are in no cell yet."""


def build_cells(pair: PairTrips, min_count: int) -> PairCells:
    """Divides the trips of a pair, which were read with their files, into cells."""
    assert pair.files is not None
    ids = np.unique(pair.files)
    file_of = np.searchsorted(ids, pair.files)
    files = dict(zip(ids.tolist(), np.bincount(file_of).tolist(), strict=True))
    pools = assign_pools(
        {file: FileTrips(count, pair.pools.get(file)) for file, count in files.items()}, min_count
    )
    pool_of = [pools[file] for file in files]
    groups = np.array([_IN_NO_POOL if pool is None else pool for pool in pool_of], np.int64)[file_of]
    minutes = minutes_of_week(pair.moments)
    if _IN_NO_POOL in groups:
        pooled = groups != _IN_NO_POOL
        found = generalise(pair.ends[pooled], minutes[pooled], groups[pooled], min_count)
    else:
        found = generalise(pair.ends, minutes, groups, min_count)
    return PairCells(list(build_tiles(found.ends, found.minutes)), pools)


def write_cells(
    pair: PairTrips, cells: PairCells | None, min_count: int | None, connection: psycopg.Connection
) -> None:
    """Replaces the cells of a pair in the open transaction, which has locked it.

    Raises:
        psycopg.Error: the setting is another one by now.
    """
    segment: int | None = None
    tiles, pools = ([], {}) if cells is None else cells
    if cells is not None:
        (segment,) = reserve(connection, 1)
        copy_tiles(connection, [(pair.region_id, pair.week, segment, tiles)], "cell_tiles")
    connection.execute(
        "SELECT shifts_store.replace_cells(%s, %s, %s, %s, %s, %s, %s::bigint[], %s::bigint[])",
        [
            pair.region_id,
            pair.week,
            min_count,
            segment,
            sum(tile.trips for tile in tiles),
            pair.deletion_count,
            list(pools),
            list(pools.values()),
        ],
    )
