"""Clusters of similar trips: by week and region, one by one, their trips, and the cluster of a trip."""

from datetime import time as time_of_day
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries import clusters as statements
from shifts_api.queries.database import Snapshot
from shifts_api.queries.zones import resolve_area
from shifts_api.settings import ApiSettings
from shifts_api.web.area import AreaParameters
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of
from shifts_api.web.pagination import MAX_ID, Cursor, Limit, NextCursor, PairCursor, paginate, parse_cursor
from shifts_api.web.parameters import Week
from shifts_api.web.start_times import parse_times
from shifts_api.web.timestamps import LocalTime
from shifts_core.clustering.geojson import Cluster, to_csv, to_feature
from shifts_core.time_filter import MINUTES_OF_DAY, TimeWindow

router = APIRouter(tags=["clusters"])

ClusterId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[2776266860134401])]
TripId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[2776266860134402])]
_CSV = (
    "cluster_id,region,week,monday,time_of_day,earliest,latest,trips,radius_m,share_of_bin,"
    "origin_lon,origin_lat,destination_lon,destination_lat\r\n"
    "2776266860134401,Turin,2018-W22,2018-05-28,08:05:30,07:41:02,08:29:17,12,214.7,0.4,"
    "7.6824,45.0703,7.6615,45.0316\r\n"
)


class ClusterCollection(BaseModel):
    """A page of clusters, largest first, as a GeoJSON feature collection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Cluster]
    next_cursor: NextCursor = Field(examples=["12-2776266860134401"])


class ClusterOfTrip(BaseModel):
    """The cluster that contains a trip."""

    trip_id: int = Field(examples=[2776266860134402])
    cluster: Cluster | None = Field(
        description="null if the trip is noise or its week has not been clustered yet."
    )


class Trip(BaseModel):
    """A trip of a cluster."""

    trip_id: int = Field(examples=[2776266860134402])
    region: str = Field(examples=["Turin"])
    origin: tuple[float, float] = Field(description="Longitude and latitude.", examples=[[7.6824, 45.0703]])
    destination: tuple[float, float] = Field(
        description="Longitude and latitude.", examples=[[7.6615, 45.0316]]
    )
    started_at: LocalTime = Field(description="Local wall clock.")
    source: str = Field(examples=["funny_car"])
    file_id: int = Field(examples=[7])


class TripPage(BaseModel):
    """A page of a cluster's trips, by id."""

    trips: list[Trip]
    next_cursor: NextCursor = Field(examples=["2776266860134402"])


@router.get(
    "/clusters",
    response_model=ClusterCollection,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV}}},
        **responses(404),
    },
    summary="Clusters of similar trips of a week",
)
async def list_clusters(
    connection: Snapshot,
    request: Request,
    response: Response,
    region: Annotated[str, Query(min_length=1, max_length=1024, examples=["Turin"])],
    week: Annotated[Week, Query(description="An ISO week, or a date in it.")],
    area: AreaParameters,
    time: Annotated[
        str | None,
        Query(
            description="Only clusters whose typical time is in this window, which may cross midnight. A single time,"
            " such as 08:00, stands for its time bin (an hour by default).",
            pattern=r"^([01]\d|2[0-3]):[0-5]\d(-([01]\d|2[0-4]):[0-5]\d)?$",
            examples=["06:00-09:30", "08:00"],
        ),
    ] = None,
    min_trips: Annotated[
        int, Query(ge=1, le=2**31 - 1, description="Only clusters with at least this many trips.")
    ] = 1,
    limit: Limit = 100,
    cursor: PairCursor = None,
    format: Annotated[  # noqa: A002
        Literal["geojson", "csv"] | None, Query(description="Overrides the header `Accept`.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> ClusterCollection | PlainTextResponse:
    """Largest first. An area selects clusters with both centroids in it.

    With `Accept: text/csv` the answer is CSV and the header `Link` names the next page.
    """
    settings: ApiSettings = request.app.state.settings
    min_count = identity_of(request).rights.min_count
    window = parse_times(None, time).window if time and "-" in time else None
    if time and not window and min_count is not None:
        # By the rounded time, not by the bin of the exact one.
        size = settings.time_bin_minutes
        start = _minute_of_day(time) // size * size
        window = TimeWindow(start, min(start + size, MINUTES_OF_DAY))
    region_id = await connection.scalar(statements.select_region_id(region))
    if region_id is None:
        raise ApiError(404, f"Region {region} not found")
    result = await connection.execute(
        statements.select_clusters(
            region_id,
            week,
            min_trips=min_trips,
            time_bin=None if time is None or window else _minute_of_day(time) // settings.time_bin_minutes,
            window=window,
            area=await resolve_area(connection, region, area),
            after=None if cursor is None else parse_cursor(cursor),
            limit=limit + 1,
            min_count=min_count,
        )
    )
    page, next_cursor = paginate(
        request,
        response,
        [to_feature(row) for row in result.mappings()],
        limit,
        lambda cluster: (cluster.properties.trips, cluster.id),
    )
    response.headers["Vary"] = "Accept"
    if format == "csv" or (format is None and prefers_csv(accept)):
        return PlainTextResponse(to_csv(page), media_type="text/csv", headers=response.headers)
    return ClusterCollection(features=page, next_cursor=next_cursor)


@router.get("/clusters/{cluster_id}", responses=responses(404), summary="One cluster")
async def get_cluster(connection: Snapshot, request: Request, cluster_id: ClusterId) -> Cluster:
    """A cluster keeps its id as long as it has the same trips."""
    return await _find(connection, cluster_id, identity_of(request).rights.min_count)


@router.get("/clusters/{cluster_id}/trips", responses=responses(404), summary="The trips of a cluster")
async def list_cluster_trips(
    connection: Snapshot,
    request: Request,
    response: Response,
    cluster_id: ClusterId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> TripPage:
    """Every trip of the cluster, by id."""
    await _find(connection, cluster_id)
    (after,) = parse_cursor(cursor or "0")
    result = await connection.execute(
        statements.select_cluster_trips(cluster_id, after=after, limit=limit + 1)
    )
    trips = [Trip.model_validate(row) for row in result.mappings()]
    page, next_cursor = paginate(request, response, trips, limit, lambda trip: (trip.trip_id,))
    return TripPage(trips=page, next_cursor=next_cursor)


@router.get("/trips/{trip_id}/cluster", responses=responses(404), summary="The cluster of a trip")
async def get_trip_cluster(connection: Snapshot, trip_id: TripId) -> ClusterOfTrip:
    """The cluster that contains the trip, if any."""
    cluster_id = await connection.scalar(statements.select_cluster_id_of_trip(trip_id))
    if cluster_id is not None:
        return ClusterOfTrip(trip_id=trip_id, cluster=await _find(connection, cluster_id))
    if await connection.scalar(statements.select_trip_id(trip_id)) is None:
        raise ApiError(404, f"Trip {trip_id} not found")
    return ClusterOfTrip(trip_id=trip_id, cluster=None)


async def _find(connection: AsyncConnection, cluster_id: int, min_count: int | None = None) -> Cluster:
    statement = statements.select_cluster(cluster_id, min_count)
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise ApiError(404, f"Cluster {cluster_id} not found")
    return to_feature(row)


def _minute_of_day(text: str) -> int:
    value = time_of_day.fromisoformat(text)
    return value.hour * 60 + value.minute


def prefers_csv(accept: str) -> bool:
    """Whether the header names CSV before JSON or any type."""
    for part in accept.split(","):
        media_type = part.partition(";")[0].strip().lower()
        if media_type in ("text/csv", "application/json", "application/geo+json", "*/*"):
            return media_type == "text/csv"
    return False
