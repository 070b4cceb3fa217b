"""Statements on clusters and their trips."""

from datetime import date, timedelta

from geoalchemy2.functions import ST_X, ST_Y
from sqlalchemy import BigInteger, Select, and_, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import array

from shifts_core.ids import monday_of_id
from shifts_core.schema.tables import (
    region_weeks,
    regions,
    sources,
    trip_cluster_members,
    trip_clusters,
    trips,
)
from shifts_core.tiles.box import Box

_CLUSTERS = select(
    trip_clusters.c.cluster_id,
    regions.c.name.label("region"),
    trip_clusters.c.week,
    trip_clusters.c.typical_time,
    trip_clusters.c.earliest_time,
    trip_clusters.c.latest_time,
    trip_clusters.c.trips,
    trip_clusters.c.radius_m,
    trip_clusters.c.share_of_bin,
    ST_X(trip_clusters.c.origin).label("origin_x"),
    ST_Y(trip_clusters.c.origin).label("origin_y"),
    ST_X(trip_clusters.c.destination).label("destination_x"),
    ST_Y(trip_clusters.c.destination).label("destination_y"),
).join_from(trip_clusters, regions, trip_clusters.c.region_id == regions.c.region_id)


def select_region_id(name: str) -> Select[int]:
    """The id of a region that has or had trips; a failed file may have created a region without any."""
    has_weeks = regions.c.region_id.in_(select(region_weeks.c.region_id))
    return select(regions.c.region_id).where(regions.c.name == name, has_weeks)


def select_clusters(
    region_id: int,
    week: date,
    *,
    min_trips: int,
    time_bin: int | None,
    box: Box | None,
    after: tuple[int, ...] | None,
    limit: int,
) -> Select[tuple[object, ...]]:
    """The clusters of a region's week, largest first, then by id.

    Args:
        region_id: the region.
        week: its Monday.
        min_trips: smallest number of trips.
        time_bin: the time bin of the typical time, counted from midnight.
        box: contains both centroids.
        after: number of trips and id of the last cluster of the previous page.
        limit: largest number of rows.
    """
    table = trip_clusters.c
    statement = _CLUSTERS.where(
        table.region_id == region_id, table.week == week, table.trips >= min_trips
    ).order_by(table.trips.desc(), table.cluster_id)
    if after is not None:
        trips_of_last, id_of_last = (literal(number, BigInteger) for number in after)
        statement = statement.where(
            or_(
                table.trips < trips_of_last, and_(table.trips == trips_of_last, table.cluster_id > id_of_last)
            )
        )
    if time_bin is not None:
        statement = statement.where(table.time_bin == time_bin)
    if box is not None:
        for point in (table.origin, table.destination):
            statement = statement.where(
                func.shifts_store.in_box(point, box.west, box.south, box.east, box.north)
            )
    return statement.limit(limit)


def select_cluster(cluster_id: int) -> Select[tuple[object, ...]]:
    """One cluster, from the partition that its id names."""
    return _CLUSTERS.where(
        trip_clusters.c.week == monday_of_id(cluster_id), trip_clusters.c.cluster_id == cluster_id
    )


def select_cluster_trips(cluster_id: int, *, after: int, limit: int) -> Select[tuple[object, ...]]:
    """The trips of a cluster whose ids are greater than `after`, by id."""
    member = trip_cluster_members.c
    members = (
        select(member.trip_id)
        .where(
            member.week == monday_of_id(cluster_id), member.cluster_id == cluster_id, member.trip_id > after
        )
        .order_by(member.trip_id)
        .limit(limit)
        .subquery("members")
    )
    # Lateral: each trip is looked up in the index instead of scanning the week.
    trip = _trips_of_week(cluster_id).where(trips.c.trip_id == members.c.trip_id).lateral("trip")
    return (
        select(
            trip.c.trip_id,
            regions.c.name.label("region"),
            array([ST_X(trip.c.origin), ST_Y(trip.c.origin)]).label("origin"),
            array([ST_X(trip.c.destination), ST_Y(trip.c.destination)]).label("destination"),
            trip.c.started_at,
            sources.c.name.label("source"),
            trip.c.file_id,
        )
        .select_from(members)
        .join(trip, true())
        .join(regions, regions.c.region_id == trip.c.region_id)
        .join(sources, sources.c.source_id == trip.c.source_id)
        .order_by(trip.c.trip_id)
    )


def select_cluster_id_of_trip(trip_id: int) -> Select[int]:
    """The id of the cluster that contains a trip."""
    member = trip_cluster_members.c
    return select(member.cluster_id).where(member.week == monday_of_id(trip_id), member.trip_id == trip_id)


def select_trip_id(trip_id: int) -> Select[int]:
    """The id itself if the trip exists."""
    return _trips_of_week(trip_id).with_only_columns(trips.c.trip_id).where(trips.c.trip_id == trip_id)


def _trips_of_week(id_: int) -> Select[tuple[object, ...]]:
    """The trips of the week that an id belongs to, which reads one partition only."""
    monday = monday_of_id(id_)
    return select(trips).where(trips.c.started_at >= monday, trips.c.started_at < monday + timedelta(days=7))
