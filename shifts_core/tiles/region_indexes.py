"""The tile indexes of all regions in memory, within a budget; the least recently used data goes first."""

from collections.abc import Sequence

import numpy as np

from shifts_core.tiles.region_index import Columns, RegionTileIndex

_TARGET_SHARE = 0.9
"""Share of the budget that eviction leaves in use, so that the next request does not evict again."""
_BOUNDS_SHARE = 0.5
"""Share of the budget for bounds; above it, whole regions are dropped."""


class RegionIndexes:
    """The newest index of each region, with the memory that all of them take.

    Args:
        max_bytes: the budget. `evict` enforces it; what is added before may exceed it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._by_region: dict[int, RegionTileIndex] = {}
        self._high_bits_bytes = 0
        self.bounds_bytes = 0
        """Memory of everything but high bits."""

    @property
    def memory_bytes(self) -> int:
        """Memory of bounds, high bits and their bookkeeping."""
        return self.bounds_bytes + self._high_bits_bytes

    @property
    def weeks_loaded(self) -> int:
        """(region, week) pairs with high bits in memory."""
        return sum(int(np.count_nonzero(index.week_bytes)) for index in self._by_region.values())

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more can be read ahead without an eviction."""
        return self.memory_bytes + size <= _TARGET_SHARE * self._max_bytes

    def get(self, region_id: int) -> RegionTileIndex | None:
        """The newest index of a region."""
        return self._by_region.get(region_id)

    def put(self, region_id: int, index: RegionTileIndex) -> None:
        """Replaces a region's index."""
        self.drop(region_id)
        self._by_region[region_id] = index
        self.bounds_bytes += index.bounds_bytes
        self._high_bits_bytes += index.high_bits_bytes

    def drop(self, region_id: int) -> None:
        """Drops a region's index, if there is one."""
        index = self._by_region.pop(region_id, None)
        if index is not None:
            self.bounds_bytes -= index.bounds_bytes
            self._high_bits_bytes -= index.high_bits_bytes

    def clear(self) -> None:
        """Drops all regions."""
        for region_id in list(self._by_region):
            self.drop(region_id)

    def store(self, region_id: int, columns: Columns, weeks: Sequence[int], chunks: Sequence[bytes]) -> None:
        """Adds high bits to a region's index, as `RegionTileIndex.store` takes them."""
        self._high_bits_bytes += self._by_region[region_id].store(columns, weeks, chunks)

    def evict(self) -> None:
        """Enforces the budget: drops the regions, then the weeks' high bits, that were used least recently."""
        if self.memory_bytes <= self._max_bytes:
            return
        by_use = sorted(self._by_region.items(), key=lambda item: item[1].last_used.max(initial=0))
        for region_id, _ in by_use:
            if self.bounds_bytes <= _BOUNDS_SHARE * self._max_bytes:
                break
            self.drop(region_id)
        loaded = [(index, np.flatnonzero(index.week_bytes)) for index in self._by_region.values()]
        candidates = [(index, week) for index, weeks in loaded for week in weeks.tolist()]
        last_used = np.concatenate([[], *(index.last_used[weeks] for index, weeks in loaded)])
        for position in np.argsort(last_used, kind="stable").tolist():
            if self.memory_bytes <= _TARGET_SHARE * self._max_bytes:
                break
            index, week = candidates[position]
            self._high_bits_bytes -= index.evict(week)
