"""Zones: named polygons of a region, or of none.

A request for a region may name the region's own zones, and those without a region whose names are not among them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import shapely
from sqlalchemy import ARRAY, LargeBinary, Select, Text, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.web.area import GivenArea
from shifts_api.web.errors import ApiError
from shifts_core.polygons import Area
from shifts_core.schema.tables import regions, zones
from shifts_core.tiles.box import Box
from shifts_core.zones import NewZone


class Zone(NamedTuple):
    """A stored zone."""

    zone_id: int
    name: str
    region: str | None
    area: Area
    revision: int
    """A number that no other geometry of a zone has."""


_zone = zones.c
_ZONES = select(
    _zone.zone_id,
    _zone.name,
    regions.c.name.label("region"),
    func.ST_AsBinary(_zone.geometry).label("wkb"),
    _zone.revision,
).join_from(zones, regions, regions.c.region_id == _zone.region_id, isouter=True)


def select_page(region: str | None, after: int, limit: int) -> Select[Any]:
    """Zones by id: all, or those that requests for a region may name."""
    chosen = _ZONES if region is None else _of_region(region)
    return chosen.where(_zone.zone_id > after).order_by(_zone.zone_id).limit(limit)


def select_named(name: str) -> Select[Any]:
    """The zones with a name, of all regions; the one without a region first."""
    return _ZONES.where(_zone.name == name).order_by(regions.c.name.nulls_first())


async def find_zones(connection: AsyncConnection, region: str, names: Sequence[str] | None) -> list[Zone]:
    """Zones that a request for a region names, by name.

    Args:
        connection: to the trips database.
        region: of the request.
        names: those to find; None for all. Names without a zone are left out.
    """
    statement = _of_region(region).order_by(_zone.name)
    if names is not None:
        statement = statement.where(_zone.name.in_(names))
    return await read_zones(connection, statement)


async def find_zone(connection: AsyncConnection, region: str, name: str) -> Zone:
    """The zone that a request for a region names.

    Raises:
        ApiError: 404, there is no such zone.
    """
    for zone in await find_zones(connection, region, [name]):
        return zone
    raise ApiError(404, f"Zone {name} not found in region {region}")


async def resolve_area(connection: AsyncConnection, region: str, area: GivenArea) -> Box | Area | None:
    """The area that a request names; a zone's polygon is read from the database.

    Args:
        connection: in the snapshot of the request.
        region: of the request.
        area: as the request names it.

    Raises:
        ApiError: 404, there is no such zone.
    """
    if area.zone is None:
        return area.box or area.polygon
    return (await find_zone(connection, region, area.zone)).area


async def read_zones(connection: AsyncConnection, statement: Select[Any]) -> list[Zone]:
    """The zones of a statement of this module."""
    result = await connection.execute(statement)
    return [
        Zone(row.zone_id, row.name, row.region, shapely.from_wkb(row.wkb), row.revision) for row in result
    ]


async def put_zones(connection: AsyncConnection, new: Sequence[NewZone]) -> int:
    """Stores zones, all or none; returns how many of them have a new name and region."""
    columns = (
        (Text, [zone.name for zone in new]),
        (Text, [zone.region for zone in new]),
        (LargeBinary, [shapely.to_wkb(zone.area) for zone in new]),
    )
    arrays = [literal(values, ARRAY(type_)) for type_, values in columns]
    created = await connection.scalar(select(func.shifts_store.put_zones(*arrays)))
    await connection.commit()
    return int(created or 0)


async def delete_zone(connection: AsyncConnection, zone_id: int) -> bool:
    """Deletes a zone; returns whether it was there."""
    found = await connection.scalar(select(func.shifts_store.delete_zone(zone_id)))
    await connection.commit()
    return bool(found)


def _of_region(region: str) -> Select[Any]:
    own = select(_zone.name).join(regions, regions.c.region_id == _zone.region_id)
    own = own.where(regions.c.name == region)
    is_free = _zone.region_id.is_(None) & _zone.name.not_in(own)
    return _ZONES.where(or_(regions.c.name == region, is_free))
