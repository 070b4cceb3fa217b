"""What routes of statistics share: areas by name, counts with their tag, and counts that wait for their turn."""

import math
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.counters import counters_of
from shifts_api.queries.database import open_snapshot
from shifts_api.queries.regions import Region, find_region
from shifts_api.queries.weekly_trips import CountedTrips, count_in_memory, weekly_trips
from shifts_api.queries.zones import find_zone
from shifts_api.web.area import GivenArea
from shifts_api.web.conditional import Counted, answer_unless_known
from shifts_api.web.errors import ApiError
from shifts_api.web.identity import identity_of
from shifts_core.weekly_statistics import WeeklyQuery

T = TypeVar("T")

MAX_FAST_PENDING = 100_000
"""Up to so many trips that are in no tile yet are counted without waiting: that takes a tenth of a second."""


async def with_area(request: Request, query: WeeklyQuery, area: GivenArea) -> tuple[WeeklyQuery, str]:
    """The query with its area, and a revision that changes with the area of a name.

    Raises:
        ApiError: 400, no area is given; 403, the key is not for the region; 404, there is no such zone.
    """
    identity_of(request).require_regions([query.region])
    if area.zone is not None:
        async with open_snapshot(request) as connection:
            zone = await find_zone(connection, query.region, area.zone)
        return query._replace(polygon=zone.area, zone=area.zone), f"{zone.zone_id} {zone.revision}"
    if area == GivenArea():
        raise ApiError(400, "bbox, polygon or zone: one of these is needed")
    return query._replace(box=area.box, polygon=area.polygon), ""


async def require_region(connection: AsyncConnection, name: str, min_count: int | None) -> Region:
    """The region in a snapshot, for counts of all trips or of cells.

    Raises:
        ApiError: 400, it has never had trips.
    """
    region = await find_region(connection, name, min_count)
    if region is None:
        raise ApiError(400, f"Region {name} not found")
    return region


async def answer_counted(
    request: Request,
    response: Response,
    query: WeeklyQuery,
    revision: str,
    answer: Callable[[WeeklyQuery, CountedTrips], T],
) -> T | Response:
    """The answer with its tag, or 304.

    Args:
        request: of the client.
        response: receives the headers.
        query: which trips to count; the request's key must be for the region.
        revision: of the area, from `with_area`.
        answer: makes the answer from the counts.
    """
    identity_of(request).require_regions([query.region])
    reads = counters_of(request).reads

    async def find_revision() -> str | None:
        region, _ = await reads.read(query.region, None)
        return None if region is None else _joined(region, revision)

    async def count() -> Counted[T]:
        counted = await count_trips(request, query)
        return Counted(answer(query, counted), _joined(counted.region, revision))

    return await answer_unless_known(request, response, find_revision, count)


async def count_trips(request: Request, query: WeeklyQuery) -> CountedTrips:
    """Counts from memory; else in one snapshot: at once, or in turn where many pending trips make the count slow.

    Counts read tiles, which hold all trips, so the database does not know what the key may see: this function does.

    Raises:
        ApiError: 400, the region has never had trips; 403, the key is not for it; 503, too many slow counts wait.
    """
    identity_of(request).require_regions([query.region])
    counters = counters_of(request)
    tiles = counters.tiles

    async def count(max_pending: float = math.inf) -> CountedTrips | None:
        async with open_snapshot(request) as connection:
            region = await require_region(connection, query.region, tiles.source.min_count)
            limits = query.limits(region.span)
            if limits is None:
                return CountedTrips({}, region)
            trips = await weekly_trips(connection, tiles, region, query, limits, max_pending)
            if trips is None:
                return None
            tiles.remember(query.region, region)
        return CountedTrips(trips, region)

    counted = await count_in_memory(counters.reads, tiles, query)
    if counted is None:
        # A request that waits for its turn holds no connection.
        counted = await count(MAX_FAST_PENDING) or await counters.slow.run(query, count)
    assert counted is not None
    return counted


def _joined(region: Region, revision: str) -> str | None:
    return None if region.revision is None else f"{region.revision} {revision}"
