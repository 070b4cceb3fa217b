"""Zones: named polygons that requests for statistics, clusters and shifts may name, as GeoJSON."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic_core import from_json
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries import zones as statements
from shifts_api.queries.database import Pools, Snapshot, limit_writes
from shifts_api.queries.zones import Zone
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of
from shifts_api.web.pagination import Cursor, Limit, paginate, parse_cursor
from shifts_api.zone_schemas import Deleted, Stored, ZoneFeature, ZonePage
from shifts_core.schema.tables import regions
from shifts_core.zones import MAX_NAME_LENGTH, NAME_PATTERN, NewZone, parse_zone, parse_zones, to_feature

router = APIRouter(tags=["zones"])

Name = Annotated[
    str, Path(min_length=1, max_length=MAX_NAME_LENGTH, pattern=NAME_PATTERN, examples=["Centro"])
]
Region = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=1024,
        description="Of the zone; without it, the zone that has no region, or else the only one with its name.",
        examples=["Turin"],
    ),
]
NewRegion = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=1024,
        description="Of the zone, if the feature's property `region` does not state it; requests for any region may"
        " name a zone that has none.",
        examples=["Turin"],
    ),
]


def _body(*models: str) -> dict[str, Any]:
    schemas = [{"$ref": f"#/components/schemas/{model}"} for model in models]
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": schemas}}}}
    }


@router.get("/zones", response_model=ZonePage, responses=responses(404), summary="Zones")
async def list_zones(
    connection: Snapshot,
    request: Request,
    response: Response,
    region: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=1024,
            description="Only zones that requests for this region may name: its own, and those without a region"
            " whose names are not among them.",
            examples=["Turin"],
        ),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """In the order in which they were created."""
    if region is not None:
        await _check_region(connection, region)
    (after,) = parse_cursor(cursor or "0")
    found = await statements.read_zones(connection, statements.select_page(region, after, limit + 1))
    page, next_cursor = paginate(request, response, found, limit, lambda zone: (zone.zone_id,))

    def write() -> str:
        features = [to_feature(zone.name, zone.region, zone.area) for zone in page]
        return json.dumps({"type": "FeatureCollection", "features": features, "next_cursor": next_cursor})

    # Large polygons: writing a page may take longer than other requests should wait.
    text = await asyncio.to_thread(write)
    return Response(text, media_type="application/json", headers=response.headers)


@router.post(
    "/zones",
    status_code=201,
    responses=responses(408),
    openapi_extra=_body("NewZones"),
    summary="Store zones",
)
async def post_zones(request: Request, region: NewRegion = None) -> Stored:
    """All or none. A zone with the name and region of a stored one replaces it; other stored zones stay."""
    new = await _parse(request, lambda body: parse_zones(body, region))
    created = await _store(request, new)
    return Stored(
        message=f"{len(new)} zone{'s' * (len(new) > 1)} stored", created=created, replaced=len(new) - created
    )


@router.get("/zones/{name:path}", response_model=ZoneFeature, responses=responses(404), summary="One zone")
async def get_zone(connection: Snapshot, name: Name, region: Region = None) -> JSONResponse:
    """As it was stored, to the last bit of its coordinates."""
    zone = await _find(connection, name, region)
    return JSONResponse(to_feature(zone.name, zone.region, zone.area))


@router.put(
    "/zones/{name:path}",
    response_model=ZoneFeature,
    responses={201: {"model": ZoneFeature, "description": "The zone is new"}, **responses(408)},
    openapi_extra=_body("PutZoneFeature", "Polygon", "MultiPolygon"),
    summary="Store a zone",
)
async def put_zone(request: Request, name: Name, region: NewRegion = None) -> JSONResponse:
    """The body is a feature, or a geometry alone. It replaces the zone with this name and region."""
    (zone,) = new = await _parse(request, lambda body: [parse_zone(body, name, region)])
    created = await _store(request, new)
    return JSONResponse(to_feature(zone.name, zone.region, zone.area), 201 if created else 200)


@router.delete("/zones/{name:path}", responses=responses(404), summary="Delete a zone")
async def delete_zone(connection: Snapshot, request: Request, name: Name, region: Region = None) -> Deleted:
    """Requests that name it then get an error."""
    identity = identity_of(request)
    zone = await _find(connection, name, region)
    identity.require_regions([zone.region])
    async with _pools(request).writes.connect() as writer:
        await limit_writes(writer, identity.rights)
        if not await statements.delete_zone(writer, zone.zone_id):
            raise ApiError(404, f"Zone {name} not found")
    return Deleted(message=f"Zone {name} deleted")


async def _store(request: Request, new: list[NewZone]) -> int:
    """Stores zones; returns how many are new."""
    identity = identity_of(request)
    identity.require_regions({zone.region for zone in new})
    async with _pools(request).writes.connect() as connection:
        await limit_writes(connection, identity.rights)
        return await statements.put_zones(connection, new)


async def _find(connection: AsyncConnection, name: str, region: str | None) -> Zone:
    found = await statements.read_zones(connection, statements.select_named(name))
    if region is not None:
        found = [zone for zone in found if zone.region == region]
    if not found:
        raise ApiError(404, f"Zone {name} not found" + ("" if region is None else f" in region {region}"))
    if len(found) > 1 and found[0].region is not None:
        names = ", ".join(str(zone.region) for zone in found)
        raise ApiError(400, f"region: is needed, because several regions have a zone {name}: {names}")
    return found[0]


async def _check_region(connection: AsyncConnection, region: str) -> None:
    if await connection.scalar(select(regions.c.region_id).where(regions.c.name == region)) is None:
        raise ApiError(404, f"Region {region} not found")


async def _parse(request: Request, parse: Callable[[Any], list[NewZone]]) -> list[NewZone]:
    body = await request.body()

    def run() -> list[NewZone]:
        try:
            value = from_json(body)
        except ValueError as error:
            raise ApiError(400, f"body: {error}") from None
        try:
            return parse(value)
        except ValueError as error:
            raise ApiError(400, str(error)) from None

    # Checking large polygons takes a while: in a thread, so that other requests are answered.
    return await asyncio.to_thread(run)


def _pools(request: Request) -> Pools:
    return cast("Pools", request.app.state.pools)
