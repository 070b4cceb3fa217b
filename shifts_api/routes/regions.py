"""The regions and the number of their trips."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, DateTime, Select, and_, cast, func, select

from shifts_api.queries.database import Snapshot
from shifts_api.web.identity import identity_of
from shifts_api.web.timestamps import LocalTime
from shifts_core.schema.tables import file_week_counts, region_weeks, regions

router = APIRouter(tags=["statistics"])

_REST_OF_WEEK = timedelta(days=7, seconds=-1)

_counts = file_week_counts.c
# A failed file may have created a region that never had a trip.
_REGIONS = (
    select(
        regions.c.name.label("region"),
        cast(func.coalesce(func.sum(_counts.trips), 0), BigInteger).label("trips"),
        func.count(_counts.week.distinct()).label("weeks"),
        func.min(_counts.first_at).label("first_at"),
        func.max(_counts.last_at).label("last_at"),
    )
    .join_from(regions, file_week_counts, _counts.region_id == regions.c.region_id, isouter=True)
    .where(regions.c.region_id.in_(select(region_weeks.c.region_id)))
    .group_by(regions.c.name)
    .order_by(regions.c.name)
)


def _regions_of_cells(min_count: int) -> Select[Any]:
    """The regions, with the trips in cells of at least so many trips and the weeks that have such cells."""
    week = region_weeks.c
    has_cells = and_(week.cells_min_count == min_count, week.cells_trips > 0)
    return (
        select(
            regions.c.name.label("region"),
            cast(func.coalesce(func.sum(week.cells_trips).filter(has_cells), 0), BigInteger).label("trips"),
            func.count().filter(has_cells).label("weeks"),
            cast(func.min(week.week).filter(has_cells), DateTime).label("first_at"),
            (cast(func.max(week.week).filter(has_cells), DateTime) + _REST_OF_WEEK).label("last_at"),
        )
        .join_from(regions, region_weeks, week.region_id == regions.c.region_id)
        .group_by(regions.c.name)
        .order_by(regions.c.name)
    )


class Region(BaseModel):
    """A region and its trips."""

    region: str = Field(examples=["Turin"])
    trips: int = Field(examples=[38])
    weeks: int = Field(description="Weeks with at least one trip.", examples=[5])
    first_at: LocalTime | None = Field(description="Start of the first trip, local wall clock.")
    last_at: LocalTime | None = Field(description="Start of the last trip, local wall clock.")


class RegionList(BaseModel):
    """All regions by name."""

    regions: list[Region]


@router.get("/regions", summary="The regions and their trips")
async def list_regions(connection: Snapshot, request: Request) -> RegionList:
    """Number of trips and weeks, first and last trip of every region.

    With `SHIFTS_MIN_COUNT`, all but admins get the trips in cells, and the first and last second of their weeks.
    """
    min_count = identity_of(request).rights.min_count
    result = await connection.execute(_REGIONS if min_count is None else _regions_of_cells(min_count))
    return RegionList(regions=[Region.model_validate(row) for row in result.mappings()])
