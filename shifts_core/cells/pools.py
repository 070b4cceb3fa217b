"""Joins files with fewer than k trips of a (region, week) pair into pools of at least k, which share cells."""

from collections.abc import Mapping
from typing import NamedTuple


class FileTrips(NamedTuple):
    """What a pair has of a file."""

    trips: int
    pool: int | None
    """The pool that the file is in, named by its first file; None: it is in none yet."""


def assign_pools(files: Mapping[int, FileTrips], min_count: int) -> dict[int, int | None]:
    """File id → its pool, or None if it waits for more trips. A file with enough trips is a pool of its own.

    Pools stay as they are while all their files do: a further file never moves trips from one pool to another.
    """
    pools: dict[int, int | None] = {}
    stored: dict[int, int] = {}
    for file in files.values():
        if file.pool is not None and file.trips < min_count:
            stored[file.pool] = stored.get(file.pool, 0) + file.trips
    waiting: list[int] = []
    collected = 0
    for file_id, (trips, pool) in sorted(files.items()):
        if trips >= min_count:
            pools[file_id] = file_id
        elif pool is not None and stored[pool] >= min_count:
            pools[file_id] = pool
        else:
            pools[file_id] = None
            waiting.append(file_id)
            collected += trips
            if collected >= min_count:
                pools |= dict.fromkeys(waiting, waiting[0])
                waiting, collected = [], 0
    return pools
