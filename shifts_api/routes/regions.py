"""The regions and what they hold."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import text

from shifts_api.queries.database import Snapshot
from shifts_api.web.errors import responses
from shifts_api.web.timestamps import LocalTime

router = APIRouter(tags=["statistics"])


class Region(BaseModel):
    """A region with what it holds."""

    region: str = Field(examples=["Turin"])
    trips: int = Field(examples=[38])
    weeks: int = Field(description="Weeks with at least one trip.", examples=[5])
    first_at: LocalTime | None = Field(description="Start of the first trip, local wall clock.")
    last_at: LocalTime | None = Field(description="Start of the last trip, local wall clock.")


class Regions(BaseModel):
    """All regions by name."""

    regions: list[Region]


@router.get("/regions", responses=responses(), summary="The regions and what they hold")
async def regions(connection: Snapshot) -> Regions:
    """Trips, weeks, first and last trip of every region."""
    result = await connection.execute(
        text(
            """
            SELECT r.name AS region, coalesce(sum(f.trips), 0)::bigint AS trips,
                   count(DISTINCT f.week) AS weeks, min(f.first_at) AS first_at, max(f.last_at) AS last_at
            FROM shifts_store.regions r LEFT JOIN shifts_store.file_week_counts f USING (region_id)
            -- A failed file may have mentioned names that never had a trip.
            WHERE r.region_id IN (SELECT w.region_id FROM shifts_store.region_weeks w)
            GROUP BY r.name ORDER BY r.name
            """
        )
    )
    return Regions(regions=[Region(**row) for row in result.mappings()])
