"""What a request is counted with: exactly, or from cells if its key may not see exact counts."""

from typing import Any, NamedTuple

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine

from shifts_api.queries.shared_reads import SharedReads
from shifts_api.queries.slow_counts import SlowCounts
from shifts_api.queries.tile_cache import TileCache
from shifts_api.queries.tile_source import EXACT, TileSource, cells_of
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError
from shifts_api.web.identity import identity_of

_ADMINS_SHARE = 8
"""One part in so many of the memory is for exact counts, if there are cells."""


class Counters(NamedTuple):
    """Tiles in memory, and what reads and orders counts of them."""

    tiles: TileCache
    reads: SharedReads
    slow: SlowCounts[Any]


class AllCounters(NamedTuple):
    """The counters of a process."""

    exact: Counters
    cells: Counters | None
    """None if all requests are counted exactly."""

    @property
    def present(self) -> list[Counters]:
        """Those that there are."""
        return [self.exact] if self.cells is None else [self.exact, self.cells]


def create_counters(pool: AsyncEngine, settings: ApiSettings) -> AllCounters:
    """The counters of these settings. Where there are cells, only admins need the tiles of all trips."""
    k, max_bytes = settings.min_count, settings.api_tiles_bytes
    of_admins = max_bytes // _ADMINS_SHARE

    def create(source: TileSource, max_bytes: int) -> Counters:
        slow: SlowCounts[Any] = SlowCounts(max(settings.api_pool_size // 5, 1))
        return Counters(TileCache(pool, max_bytes, source), SharedReads(pool, source), slow)

    if k is None:
        return AllCounters(create(EXACT, max_bytes), None)
    return AllCounters(create(EXACT, of_admins), create(cells_of(k), max_bytes - of_admins))


def counters_of(request: Request) -> Counters:
    """What a request is counted with, by the rights of its key.

    Raises:
        ApiError: 503, the pipeline makes cells, and this process was started without their least number of trips.
    """
    counters: AllCounters = request.app.state.counters
    if identity_of(request).rights.min_count is None:
        return counters.exact
    if counters.cells is None:
        raise ApiError(
            503, "SHIFTS_MIN_COUNT is set for the pipeline and not for this service: set it and restart"
        )
    return counters.cells
