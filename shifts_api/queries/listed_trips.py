"""Trips that are listed by their ids, as clients receive them."""

from datetime import date
from typing import Any

from geoalchemy2.functions import ST_X, ST_Y
from sqlalchemy import FromClause, Select, select, true
from sqlalchemy.dialects.postgresql import array

from shifts_core.calendar import ONE_WEEK
from shifts_core.schema import views


def select_listed_trips(ids: FromClause, first: date, last: date) -> Select[Any]:
    """Trips by id.

    Args:
        ids: rows with a column `trip_id`.
        first: Monday of the first week that the ids belong to.
        last: Monday of the last one.
    """
    trips = views.trips.c
    # Lateral: each trip is looked up by its id instead of scanning the weeks for all of them.
    trip = (
        select(views.trips)
        .where(
            trips.started_at >= first,
            trips.started_at < last + ONE_WEEK,
            trips.trip_id == ids.c.trip_id,
        )
        .lateral("trip")
        .c
    )
    return (
        select(
            trip.trip_id,
            trip.region,
            array([ST_X(trip.origin), ST_Y(trip.origin)]).label("origin"),
            array([ST_X(trip.destination), ST_Y(trip.destination)]).label("destination"),
            trip.started_at,
            trip.source,
            trip.file_id,
        )
        .join_from(ids, trip.trip_id.table, true())
        .order_by(trip.trip_id)
    )
