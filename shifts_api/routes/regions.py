"""The regions and the number of their trips."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, cast, func, select

from shifts_api.queries.database import Snapshot
from shifts_api.web.timestamps import LocalTime
from shifts_core.schema.tables import file_week_counts, region_weeks, regions

router = APIRouter(tags=["statistics"])

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
async def list_regions(connection: Snapshot) -> RegionList:
    """Number of trips and weeks, first and last trip of every region."""
    result = await connection.execute(_REGIONS)
    return RegionList(regions=[Region.model_validate(row) for row in result.mappings()])
