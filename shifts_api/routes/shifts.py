"""Shifts: by week and region, one by one with their history, their trips, and the shift of a trip."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries import shifts as statements
from shifts_api.queries.clusters import select_region_id
from shifts_api.queries.database import Snapshot
from shifts_api.queries.zones import resolve_area
from shifts_api.routes.clusters import Trip, TripId, prefers_csv
from shifts_api.web.area import AreaParameters
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of
from shifts_api.web.pagination import MAX_ID, Cursor, Limit, NextCursor, PairCursor, paginate, parse_cursor
from shifts_api.web.parameters import WEEK_EXAMPLES, Week
from shifts_api.web.start_times import parse_times
from shifts_core.calendar import monday_of_week, week_number
from shifts_core.ids import monday_of_id
from shifts_core.shifts.geojson import Shift, ShiftProperties, to_csv, to_feature
from shifts_core.time_filter import WEEKDAYS, Weekday

router = APIRouter(tags=["shifts"])

ShiftId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[2776266860134401])]
MadeWeek = Annotated[
    Week | None,
    Query(
        description="The last week of the history, or a date in it; the newest by default.",
        examples=WEEK_EXAMPLES,
    ),
]
RegionOfShift = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=1024,
        description="Needed only if shifts of two regions have the same id by chance, once in 10^12 pairs of shifts."
        " Without it the region whose name is first is taken.",
        examples=["Turin"],
    ),
]
_MAX_WEEK_NUMBER = 100_000
_CSV = (
    "shift_id,region,week,monday,rank,weekdays,departs,earliest,latest,riders,riders_low,riders_high,regularity,"
    "weeks,first_week,status,trips,pickup_walk_m,pickup_walk_max_m,dropoff_walk_m,dropoff_walk_max_m,"
    "pickup_stop,dropoff_stop,pickup_lon,pickup_lat,dropoff_lon,dropoff_lat\r\n"
    '2776266860134401,Turin,2018-W22,2018-05-28,1,"mon,tue",08:05,07:41:00,08:29:00,11.2,7,16,0.95,'
    "4,2018-W18,continuing,180,210.5,490.1,180.2,470.0,Porta Susa,Lingotto,7.6824,45.0703,7.6615,45.0316\r\n"
)


class ShiftCollection(BaseModel):
    """A page of shifts, best first, as a GeoJSON feature collection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Shift]
    next_cursor: NextCursor = Field(examples=["2525-100"])


class ShiftWithHistory(Shift):
    """A shift as it was made last, and in every week."""

    history: list[ShiftProperties] = Field(description="By week, the oldest first.")


class ShiftTripPage(BaseModel):
    """A page of a shift's trips, by id."""

    trips: list[Trip]
    next_cursor: NextCursor = Field(examples=["2776266860134402"])


class ShiftOfTrip(BaseModel):
    """The shift that counts a trip."""

    trip_id: int = Field(examples=[2776266860134402])
    shift: Shift | None = Field(
        description="null if no shift counts it, or if none were made from its week yet."
    )


@router.get(
    "/shifts",
    response_model=ShiftCollection,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV}}},
        **responses(404),
    },
    summary="Shifts of a region",
)
async def list_shifts(
    connection: Snapshot,
    request: Request,
    response: Response,
    region: Annotated[str, Query(min_length=1, max_length=1024, examples=["Turin"])],
    area: AreaParameters,
    week: MadeWeek = None,
    weekday: Annotated[Weekday | None, Query(description="Only shifts that depart on this day.")] = None,
    weekdays: Annotated[
        str | None,
        Query(description="Only shifts that depart on at least one of these days.", examples=["mon,tue"]),
    ] = None,
    time: Annotated[
        str | None,
        Query(
            description="Only shifts whose typical departure is in this window, which may cross midnight.",
            examples=["06:00-09:30"],
        ),
    ] = None,
    limit: Limit = 100,
    cursor: PairCursor = None,
    format: Annotated[  # noqa: A002
        Literal["geojson", "csv"] | None, Query(description="Overrides the header `Accept`.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> ShiftCollection | PlainTextResponse:
    """Best first. An area selects shifts with pickup and drop-off in it.

    With `Accept: text/csv` the answer is CSV and the header `Link` names the next page.
    """
    times = parse_times(weekdays, time)
    region_id = await find_region_id(connection, region)
    chosen_area = await resolve_area(connection, region, area)
    after = 0
    if cursor is not None:
        # The week of the first page: a newer one may have been made since.
        number, after = parse_cursor(cursor)
        if not number < _MAX_WEEK_NUMBER:
            raise ApiError(400, "cursor: the next_cursor of the previous page of this list is needed")
        week = monday_of_week(number)
    week = week or await connection.scalar(statements.select_newest_week(region_id))
    shifts: list[Shift] = []
    if week is not None:
        statement = statements.select_shifts(
            region_id,
            week,
            weekday=None if weekday is None else WEEKDAYS.index(weekday),
            weekdays=None if times.weekdays is None else [*map(WEEKDAYS.index, times.weekdays)],
            window=times.window,
            area=chosen_area,
            after=min(after, 2**31 - 1),
            limit=limit + 1,
            min_count=identity_of(request).rights.min_count,
        )
        shifts = [to_feature(row) for row in (await connection.execute(statement)).mappings()]
    page, next_cursor = paginate(request, response, shifts, limit, _position)
    response.headers["Vary"] = "Accept"
    if format == "csv" or (format is None and prefers_csv(accept)):
        return PlainTextResponse(to_csv(page), media_type="text/csv", headers=response.headers)
    return ShiftCollection(features=list(page), next_cursor=next_cursor)


@router.get("/shifts/{shift_id}", responses=responses(404), summary="One shift and its history")
async def get_shift(
    connection: Snapshot, request: Request, shift_id: ShiftId, region: RegionOfShift = None
) -> ShiftWithHistory:
    """The shift as in the newest week in which it was made, with its properties in every week."""
    min_count = identity_of(request).rights.min_count
    region_id = await _find_region_id_of(connection, shift_id, region, min_count)
    result = await connection.execute(statements.select_history(region_id, shift_id, min_count))
    shifts = [to_feature(row) for row in result.mappings()]
    return ShiftWithHistory(**dict(shifts[-1]), history=[shift.properties for shift in shifts])


@router.get("/shifts/{shift_id}/trips", responses=responses(404), summary="The trips of a shift")
async def list_shift_trips(
    connection: Snapshot,
    request: Request,
    response: Response,
    shift_id: ShiftId,
    region: RegionOfShift = None,
    week: MadeWeek = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ShiftTripPage:
    """Every trip of the history that the shift counts, by id."""
    region_id = await _find_region_id_of(connection, shift_id, region)
    trip_ids = await connection.scalar(statements.select_shift_trip_ids(region_id, shift_id, week))
    if trip_ids is None:
        # Without a week there is one: the shift has a region.
        raise ApiError(404, f"Shift {shift_id} not found" + ("" if week is None else f" in {week:%G-W%V}"))
    (after,) = parse_cursor(cursor or "0")
    wanted = [trip_id for trip_id in trip_ids if trip_id > after][: limit + 1]
    trips: list[Trip] = []
    if wanted:
        result = await connection.execute(statements.select_trips(wanted))
        trips = [Trip.model_validate(row) for row in result.mappings()]
    page, next_cursor = paginate(request, response, trips, limit, lambda trip: (trip.trip_id,))
    return ShiftTripPage(trips=list(page), next_cursor=next_cursor)


@router.get("/trips/{trip_id}/shift", responses=responses(404), summary="The shift of a trip")
async def get_trip_shift(connection: Snapshot, trip_id: TripId) -> ShiftOfTrip:
    """The shift that counts the trip in the newest week whose history has the trip, if any."""
    trip = (await connection.execute(statements.select_start_of_trip(trip_id))).one_or_none()
    if trip is None:
        raise ApiError(404, f"Trip {trip_id} not found")
    monday = monday_of_id(trip_id)
    week = await connection.scalar(statements.select_newest_week_with(trip.region_id, monday))
    row = None
    if week is not None:
        statement = statements.select_shift_of_trip(trip.region_id, week, trip_id, trip.started_at)
        row = (await connection.execute(statement)).mappings().one_or_none()
    return ShiftOfTrip(trip_id=trip_id, shift=None if row is None else to_feature(row))


async def find_region_id(connection: AsyncConnection, region: str) -> int:
    """The id of a region that has or had trips.

    Raises:
        ApiError: 404 if there is none.
    """
    region_id: int | None = await connection.scalar(select_region_id(region))
    if region_id is None:
        raise ApiError(404, f"Region {region} not found")
    return region_id


async def _find_region_id_of(
    connection: AsyncConnection, shift_id: int, region: str | None, min_count: int | None = None
) -> int:
    """The id of the region of a shift.

    Raises:
        ApiError: 404 if there is no such shift.
    """
    region_id: int | None = await connection.scalar(
        statements.select_region_id_of(shift_id, region, min_count)
    )
    if region_id is None:
        raise ApiError(404, f"Shift {shift_id} not found" + ("" if region is None else f" in {region}"))
    return region_id


def _position(shift: Shift) -> tuple[int, int]:
    monday: date = shift.properties.monday
    return week_number(monday), shift.properties.rank
