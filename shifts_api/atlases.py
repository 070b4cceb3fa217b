"""The regions' tiles as far as they are in memory: brought up to the snapshot that is asked in, within a budget."""

from collections import defaultdict
from datetime import date
from typing import Any

import psycopg

from shifts_api.counting.atlas import Atlas, read_pair

_VERSIONS = (
    "SELECT week, tiles_version FROM shifts_store.region_weeks WHERE region_id = %s AND tiles_version > 0"
)
_LEAVES = (
    "SELECT week, tile, trips, leaves FROM shifts_store.weekly_trip_tiles"
    " WHERE region_id = %s AND week = ANY (%s) ORDER BY week, tile"
)


class Atlases:
    """The newest atlas of each region. What a version of a pair holds never changes, so sharing it is safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._by_region: dict[int, Atlas] = {}

    async def of(self, cursor: psycopg.AsyncCursor[Any], region_id: int, state: int) -> Atlas:
        """The region's atlas as the cursor's snapshot sees it; pairs that did not change keep what they have."""
        before = self._by_region.get(region_id)
        if before is not None and before.state == state:
            return before
        known = {(pair.week, pair.version): pair for pair in before.pairs} if before is not None else {}
        await cursor.execute(_VERSIONS, [region_id])
        versions: dict[date, int] = dict(await cursor.fetchall())
        new = [week for week, version in versions.items() if (week, version) not in known]
        rows: defaultdict[date, list[tuple[int, int, bytes]]] = defaultdict(list)
        await cursor.execute(_LEAVES, [region_id, new])
        for week, *tile in await cursor.fetchall():
            rows[week].append(tuple(tile))
        pairs = [
            known.get((week, version)) or read_pair(week, version, rows[week])
            for week, version in versions.items()
        ]
        atlas = Atlas(state, [pair for pair in pairs if len(pair.leaves.trips)])
        newest = self._by_region.get(region_id)
        # Another request may have seen a later snapshot meanwhile.
        if newest is None or newest.state <= state:
            self._by_region[region_id] = atlas
        return atlas

    def trim(self) -> None:
        """Keeps to the budget: forgets the codes of the pairs that were asked about the longest time ago."""
        pairs = [
            (pair.asked_at, atlas, place)
            for atlas in self._by_region.values()
            for place, pair in enumerate(atlas.pairs)
        ]
        total = sum(atlas.held_bytes for atlas in self._by_region.values())
        for _, atlas, place in sorted(pairs, key=lambda pair: pair[0]):
            if total <= self._max_bytes:
                return
            total -= atlas.pairs[place].held_bytes
            # Questions that are being answered keep the old one.
            atlas.pairs[place] = atlas.pairs[place].emptied()
