"""Trips that are listed by their ids, as clients receive them."""

from datetime import date
from typing import Any

from geoalchemy2.functions import ST_X, ST_Y
from sqlalchemy import FromClause, Select, select, true
from sqlalchemy.dialects.postgresql import array

from shifts_core.calendar import ONE_WEEK
from shifts_core.schema import tables


def select_listed_trips(ids: FromClause, first: date, last: date) -> Select[Any]:
    """Trips by id.

    Args:
        ids: rows with a column `trip_id`.
        first: Monday of the first week that the ids belong to.
        last: Monday of the last one.
    """
    trips = tables.trips.c
    # Lateral: each trip is looked up by its id instead of scanning the weeks for all of them.
    trip = (
        select(tables.trips)
        .where(
            trips.started_at >= first,
            trips.started_at < last + ONE_WEEK,
            trips.trip_id == ids.c.trip_id,
        )
        .lateral("trip")
        .c
    )
    regions, sources = tables.regions.c, tables.sources.c
    return (
        select(
            trip.trip_id,
            regions.name.label("region"),
            array([ST_X(trip.origin), ST_Y(trip.origin)]).label("origin"),
            array([ST_X(trip.destination), ST_Y(trip.destination)]).label("destination"),
            trip.started_at,
            sources.name.label("source"),
            trip.file_id,
        )
        .join_from(ids, trip.trip_id.table, true())
        .join(tables.regions, regions.region_id == trip.region_id)
        .join(tables.sources, sources.source_id == trip.source_id)
        .order_by(trip.trip_id)
    )
