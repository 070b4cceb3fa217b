"""Routes for maps: the extent of a region, and pictures of where its trips begin and end."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from shifts_api.queries.counters import counters_of
from shifts_api.queries.database import open_snapshot
from shifts_api.queries.trip_density import draw_density, find_extent
from shifts_api.routes.counting import require_region
from shifts_api.web.conditional import NOT_MODIFIED, Counted, IfNoneMatch, answer_unless_known
from shifts_api.web.errors import ApiError
from shifts_api.web.identity import identity_of
from shifts_core.tiles.density import MAX_ZOOM, Mercator

router = APIRouter(tags=["maps"])

RegionName = Annotated[str, Query(min_length=1, max_length=1024, examples=["Turin"])]


class Extent(BaseModel):
    """The box that holds nearly all ends of a region's trips."""

    region: str = Field(examples=["Turin"])
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)] | None = Field(
        description="west, south, east, north; null if the region has no trips now.",
        examples=[[7.6, 45.0, 7.72, 45.1]],
    )


@router.get("/trips/extent", response_model=Extent, responses=NOT_MODIFIED, summary="Where a region lies")
async def get_extent(request: Request, response: Response, region: RegionName, _: IfNoneMatch = None) -> Any:
    """It is an estimate for choosing a view; a few stray trips do not widen it."""
    identity_of(request).require_regions([region])
    tiles = counters_of(request).tiles

    async def find() -> Counted[Extent]:
        async with open_snapshot(request) as connection:
            found = await require_region(connection, region, tiles.source.min_count)
            bbox = await find_extent(connection, tiles, found)
        return Counted(Extent(region=region, bbox=bbox and [*bbox]), found.revision)

    return await answer_unless_known(request, response, lambda: _find_revision(request, region), find)


@router.get(
    "/trips/density/{zoom}/{x}/{y}",
    response_class=Response,
    responses={
        200: {
            "description": "A picture of 512 × 512 pixels",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}, "example": "PNG…"}},
        },
        **NOT_MODIFIED,
    },
    summary="Where trips begin and end, as a map tile",
)
async def get_density(
    request: Request,
    response: Response,
    zoom: Annotated[int, Path(ge=0, le=MAX_ZOOM, examples=[12])],
    x: Annotated[int, Path(ge=0, lt=2**MAX_ZOOM, description="Column, from the west.", examples=[2135])],
    y: Annotated[int, Path(ge=0, lt=2**MAX_ZOOM, description="Row, from the north.", examples=[1473])],
    region: RegionName,
    _: IfNoneMatch = None,
) -> Response:
    """A Web Mercator tile, numbered as usual. White, and the more opaque the more ends of trips a pixel has.

    The newest weeks of the region, up to 3 million trips, are shown.
    """
    if max(x, y) >= 2**zoom:
        raise ApiError(400, f"x, y: columns and rows of zoom {zoom} are below {2**zoom}")
    identity_of(request).require_regions([region])
    tiles = counters_of(request).tiles

    async def draw() -> Counted[bytes]:
        async with open_snapshot(request) as connection:
            found = await require_region(connection, region, tiles.source.min_count)
            picture = await draw_density(connection, tiles, found, Mercator(zoom, x, y))
        return Counted(picture, found.revision)

    answer = await answer_unless_known(request, response, lambda: _find_revision(request, region), draw)
    if isinstance(answer, Response):
        return answer
    return Response(answer, media_type="image/png", headers=dict(response.headers))


async def _find_revision(request: Request, region: str) -> str | None:
    found, _ = await counters_of(request).reads.read(region, None)
    return None if found is None else found.revision
