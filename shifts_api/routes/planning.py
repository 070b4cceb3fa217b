"""Routes for planners: trips by weekday and hour, and trips between zones."""

import asyncio
import csv
import io
import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.counters import counters_of
from shifts_api.queries.database import open_snapshot
from shifts_api.queries.regions import Region
from shifts_api.queries.trip_matrix import count_matrix
from shifts_api.queries.weekly_trips import CountedTrips
from shifts_api.queries.zones import Zone, find_zones
from shifts_api.routes.clusters import prefers_csv
from shifts_api.routes.counting import (
    MAX_FAST_PENDING,
    answer_counted,
    require_region,
    with_area,
)
from shifts_api.web.area import AreaParameters
from shifts_api.web.conditional import NOT_MODIFIED, Counted, IfNoneMatch, answer_unless_known
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of
from shifts_api.web.parameters import MatchParameter
from shifts_api.web.start_times import StartTimesParameters
from shifts_core.clustering.geojson import escape_formula
from shifts_core.matrix import MAX_ZONES, MatrixCounts, MatrixQuery, TripMatrix
from shifts_core.profile import TripProfile, profile
from shifts_core.weekly_statistics import WeeklyQuery
from shifts_core.zones import ALL

router = APIRouter(tags=["statistics"])


@router.get(
    "/trips/profile",
    response_model=TripProfile,
    responses={**NOT_MODIFIED, **responses(404)},
    summary="Trips by weekday and hour in an area",
)
async def get_profile(
    request: Request,
    response: Response,
    area: AreaParameters,
    starts: StartTimesParameters,
    region: Annotated[str, Query(examples=["Turin"])],
    match: MatchParameter = "both",
    _: IfNoneMatch = None,
) -> Any:
    """Rows are weekdays from Monday, columns are hours from 0 to 23, by the local clock of the start."""
    query = WeeklyQuery(region, None, match, "active", starts.first, starts.last, starts.times, by_hour=True)
    query, revision = await with_area(request, query, area)

    def answer(query: WeeklyQuery, counted: CountedTrips) -> TripProfile:
        return profile(query, counted.trips, counted.region.as_of)

    return await answer_counted(request, response, query, revision, answer)


@router.get(
    "/trips/matrix",
    response_model=TripMatrix,
    responses={**NOT_MODIFIED, **responses(404)},
    summary="Trips between zones",
)
async def get_matrix(
    request: Request,
    response: Response,
    starts: StartTimesParameters,
    region: Annotated[str, Query(examples=["Turin"])],
    zones: Annotated[
        str,
        Query(
            description=f"Names of up to {MAX_ZONES} zones, separated by commas, or `{ALL}`.",
            examples=["Centro,Lingotto"],
            min_length=1,
        ),
    ],
    format: Annotated[  # noqa: A002
        Literal["json", "csv"] | None, Query(description="Overrides the header `Accept`.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    _: IfNoneMatch = None,
) -> Response:
    """A trip counts for each zone of its origin and each zone of its destination; borders are inside."""
    identity_of(request).require_regions([region])
    counters = counters_of(request)
    wanted = None if zones == ALL else zones.split(",")
    as_csv = format == "csv" or (format is None and prefers_csv(accept))
    response.headers["Vary"] = "Accept"

    async def read(connection: AsyncConnection) -> tuple[Region, list[Zone], str | None]:
        found = await require_region(connection, region, counters.tiles.source.min_count)
        stored = await find_zones(connection, region, wanted)
        _check_names(wanted, [zone.name for zone in stored])
        parts = (found.revision, as_csv, [(zone.zone_id, zone.revision) for zone in stored])
        return found, stored, None if found.revision is None else repr(parts)

    async def count(max_pending: float = math.inf) -> Any:
        async with open_snapshot(request) as connection:
            found, stored, revision = await read(connection)
            query = MatrixQuery(
                region,
                tuple(zone.name for zone in stored),
                tuple(zone.area for zone in stored),
                starts.first,
                starts.last,
                starts.times,
            )
            limits = query.limits(found.span)
            if limits is None:
                return MatrixCounts.zeros(len(stored)), query, found.as_of, revision
            counts = await count_matrix(connection, counters.tiles, found, query, limits, max_pending)
            return None if counts is None else (counts, query, found.as_of, revision)

    async def find_revision() -> str | None:
        async with open_snapshot(request) as connection:
            return (await read(connection))[2]

    async def answer() -> Counted[Response]:
        key = "matrix", region, zones, starts, as_csv
        counts, query, as_of, revision = await count(MAX_FAST_PENDING) or await counters.slow.run(key, count)
        if as_csv:
            text, kind = await asyncio.to_thread(_csv, counts, query), "text/csv; charset=utf-8"
        else:
            text = await asyncio.to_thread(lambda: counts.answer(query, as_of).model_dump_json())
            kind = "application/json"
        return Counted(Response(text, media_type=kind), revision)

    answered = await answer_unless_known(request, response, find_revision, answer)
    answered.headers.update(response.headers)
    return answered


def _check_names(wanted: list[str] | None, found: list[str]) -> None:
    missing = [name for name in wanted or () if name not in found]
    if missing:
        raise ApiError(404, f"Zones not found: {', '.join(missing)}")
    if not found:
        raise ApiError(404, "The region has no zones")
    if wanted is not None and len(set(wanted)) < len(wanted):
        raise ApiError(400, "zones: a name occurs twice")
    if len(found) > MAX_ZONES:
        raise ApiError(400, f"zones: {len(found)} zones, more than {MAX_ZONES}")


def _csv(counts: MatrixCounts, query: MatrixQuery) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("origin", "destination", "mean", "total_trips"))
    writer.writerows(counts.rows([str(escape_formula(name)) for name in query.names]))
    return text.getvalue()
