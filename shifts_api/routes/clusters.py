"""Groups of similar trips: by week and region, one by one, with their trips, and from a trip to its group."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.clusters import COLUMNS, Group, GroupOfTrip, Groups, Trip, Trips, to_csv, to_group
from shifts_api.queries.database import Snapshot
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.pagination import (
    MAX_ID,
    Cursor,
    Limit,
    PairCursor,
    cut,
    link_next,
    read_cursor,
    write_cursor,
)
from shifts_api.web.parameters import BoxText, TimeText, WeekText, read_box, read_time, read_week

router = APIRouter(tags=["clusters"])

ClusterId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[2776266860134401])]
TripId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[2776266860134401])]


@router.get(
    "/clusters",
    response_model=Groups,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **responses(400, 404),
    },
    summary="Groups of similar trips of a week",
)
async def clusters(
    connection: Snapshot,
    request: Request,
    response: Response,
    region: Annotated[str, Query(min_length=1, max_length=1024, examples=["Turin"])],
    week: WeekText,
    time: TimeText = None,
    bbox: BoxText = None,
    min_trips: Annotated[int, Query(ge=1, le=2**31 - 1, description="Only groups at least so large.")] = 1,
    limit: Limit = 100,
    cursor: PairCursor = None,
    format: Annotated[  # noqa: A002
        Literal["geojson", "csv"] | None, Query(description="Wins over the header `Accept`.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Groups | PlainTextResponse:
    """Largest first. `Accept: text/csv` gives CSV; then the header `Link` names the next page."""
    settings: ApiSettings = request.app.state.settings
    monday = read_week("week", week)
    trips_below, id_above = read_cursor(cursor, (2**31, 0))
    moment = None if time is None else read_time(time)
    box = None if bbox is None else read_box(bbox)
    result = await connection.execute(
        text(
            f"""
            SELECT {COLUMNS} FROM shifts_store.trip_clusters c JOIN shifts_store.regions r USING (region_id)
            WHERE c.region_id = :region_id AND c.week = :week AND c.trips >= :min_trips
              AND (c.trips < :trips_below OR c.trips = :trips_below AND c.cluster_id > :id_above)
              AND (CAST(:time_bin AS integer) IS NULL OR c.time_bin = :time_bin)
              AND (CAST(:west AS float8) IS NULL
                   OR shifts_store.in_box(c.origin, :west, :south, :east, :north)
                  AND shifts_store.in_box(c.destination, :west, :south, :east, :north))
            ORDER BY c.trips DESC, c.cluster_id LIMIT :limit + 1
            """  # noqa: S608
        ),
        {
            "region_id": await _region_id(connection, region),
            "week": monday,
            "min_trips": min_trips,
            "trips_below": trips_below,
            "id_above": id_above,
            "time_bin": None
            if moment is None
            else (moment.hour * 60 + moment.minute) // settings.time_bin_minutes,
            "west": box and box.west,
            "south": box and box.south,
            "east": box and box.east,
            "north": box and box.north,
            "limit": limit,
        },
    )
    page, last = cut([to_group(row) for row in result.mappings()], limit)
    next_cursor = write_cursor(last.properties.trips, last.id) if last else None
    link_next(request, response, next_cursor)
    if format == "csv" or (format is None and _prefers_csv(accept)):
        link = {name: value for name, value in response.headers.items() if name == "link"}
        return PlainTextResponse(to_csv(page), media_type="text/csv", headers={**link, "Vary": "Accept"})
    response.headers["Vary"] = "Accept"
    return Groups(features=page, next_cursor=next_cursor)


@router.get("/clusters/{cluster_id}", responses=responses(400, 404), summary="One group")
async def cluster(connection: Snapshot, cluster_id: ClusterId) -> Group:
    """A group; it keeps its id as long as its trips stay the same."""
    return await _find(connection, cluster_id)


@router.get("/clusters/{cluster_id}/trips", responses=responses(400, 404), summary="The trips of a group")
async def cluster_trips(
    connection: Snapshot,
    request: Request,
    response: Response,
    cluster_id: ClusterId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Trips:
    """Every trip of the group, by id."""
    await _find(connection, cluster_id)
    (after,) = read_cursor(cursor, (0,))
    result = await connection.execute(
        text(
            """
            SELECT t.trip_id, r.name AS region, ARRAY[ST_X(t.origin), ST_Y(t.origin)] AS origin,
                   ARRAY[ST_X(t.destination), ST_Y(t.destination)] AS destination, t.started_at,
                   s.name AS source, t.file_id
            FROM (SELECT m.trip_id FROM shifts_store.trip_cluster_members m
                  WHERE m.week = shifts_store.week_of_id(:cluster_id) AND m.cluster_id = :cluster_id
                    AND m.trip_id > :after
                  ORDER BY m.trip_id LIMIT :limit + 1) AS m
            CROSS JOIN LATERAL (
                SELECT * FROM shifts_store.trips t
                WHERE t.trip_id = m.trip_id
                  AND t.started_at >= shifts_store.week_of_id(:cluster_id)
                  AND t.started_at < shifts_store.week_of_id(:cluster_id) + 7) AS t
            JOIN shifts_store.regions r USING (region_id)
            JOIN shifts_store.sources s USING (source_id)
            ORDER BY t.trip_id
            """
        ),
        {"cluster_id": cluster_id, "after": after, "limit": limit},
    )
    page, last = cut([Trip(**row) for row in result.mappings()], limit)
    next_cursor = write_cursor(last.trip_id) if last else None
    link_next(request, response, next_cursor)
    return Trips(trips=page, next_cursor=next_cursor)


@router.get("/trips/{trip_id}/cluster", responses=responses(400, 404), summary="The group of a trip")
async def trip_cluster(connection: Snapshot, trip_id: TripId) -> GroupOfTrip:
    """The group that a trip is in, if it is in one."""
    result = await connection.execute(
        text(
            """
            SELECT m.cluster_id FROM shifts_store.trip_cluster_members m
            WHERE m.week = shifts_store.week_of_id(:trip_id) AND m.trip_id = :trip_id
            """
        ),
        {"trip_id": trip_id},
    )
    cluster_id = result.scalar_one_or_none()
    if cluster_id is not None:
        return GroupOfTrip(trip_id=trip_id, cluster=await _find(connection, cluster_id))
    result = await connection.execute(
        text(
            """
            SELECT FROM shifts_store.trips
            WHERE trip_id = :trip_id AND started_at >= shifts_store.week_of_id(:trip_id)
              AND started_at < shifts_store.week_of_id(:trip_id) + 7
            """
        ),
        {"trip_id": trip_id},
    )
    if result.one_or_none() is None:
        raise ApiError(404, f"Trip {trip_id} not found")
    return GroupOfTrip(trip_id=trip_id, cluster=None)


async def _find(connection: AsyncConnection, cluster_id: int) -> Group:
    result = await connection.execute(
        text(
            f"""
            SELECT {COLUMNS} FROM shifts_store.trip_clusters c JOIN shifts_store.regions r USING (region_id)
            WHERE c.week = shifts_store.week_of_id(:cluster_id) AND c.cluster_id = :cluster_id
            """  # noqa: S608
        ),
        {"cluster_id": cluster_id},
    )
    row = result.mappings().one_or_none()
    if row is None:
        raise ApiError(404, f"Cluster {cluster_id} not found")
    return to_group(row)


async def _region_id(connection: AsyncConnection, name: str) -> int:
    found = await connection.scalar(
        text(
            """
            SELECT r.region_id FROM shifts_store.regions r
            WHERE r.name = :name
              AND r.region_id IN (SELECT w.region_id FROM shifts_store.region_weeks w)
            """
        ),
        {"name": name},
    )
    if found is None:
        raise ApiError(404, f"Region {name} not found")
    return int(found)


def _prefers_csv(accept: str) -> bool:
    """Whether CSV is named before JSON or any type."""
    for kind in accept.split(","):
        name = kind.partition(";")[0].strip().lower()
        if name in ("text/csv", "application/json", "application/geo+json", "*/*"):
            return name == "text/csv"
    return False
