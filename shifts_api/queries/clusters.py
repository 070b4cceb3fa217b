"""Statements on clusters and their trips."""

from datetime import date
from typing import Any

from geoalchemy2.functions import ST_X, ST_Y
from sqlalchemy import BigInteger, Select, Time, and_, any_, case, cast, func, literal, or_, select

from shifts_api.queries.coarse import coarse_clusters
from shifts_api.queries.conditions import is_within, lies_in
from shifts_api.queries.listed_trips import select_listed_trips
from shifts_core.calendar import ONE_WEEK
from shifts_core.ids import monday_of_id
from shifts_core.polygons import Area
from shifts_core.schema import tables
from shifts_core.tiles.box import Box
from shifts_core.time_filter import TimeWindow

_cluster = tables.trip_clusters.c
_CLOCK = "HH24:MI:SS"


def _select(min_count: int | None) -> tuple[Select[Any], Any]:
    """Clusters with all that is shown of them, and their columns; with k, of so many trips at least, and rounded."""
    source = tables.trip_clusters if min_count is None else coarse_clusters(min_count)
    column = source.c
    statement = select(
        column.cluster_id,
        tables.regions.c.name.label("region"),
        func.to_char(column.week, 'IYYY-"W"IW').label("week"),
        column.week.label("monday"),
        func.to_char(column.typical_time, _CLOCK).label("time_of_day"),
        func.to_char(column.earliest_time, _CLOCK).label("earliest"),
        func.to_char(column.latest_time, _CLOCK).label("latest"),
        column.trips,
        column.radius_m,
        column.share_of_bin,
        *(
            function(point).label(f"{point.name}_{axis}")
            for point in (column.origin, column.destination)
            for axis, function in (("x", ST_X), ("y", ST_Y))
        ),
    ).join_from(source, tables.regions, tables.regions.c.region_id == column.region_id)
    # Tables, not views, which would read them with the rights of their owner, whatever a key may see.
    return statement, column


def select_region_id(name: str) -> Select[int]:
    """The id of a region that has or had trips; a failed file may have created a region without any."""
    regions = tables.regions.c
    has_weeks = regions.region_id.in_(select(tables.region_weeks.c.region_id))
    return select(regions.region_id).where(regions.name == name, has_weeks)


def select_clusters(
    region_id: int,
    monday: date,
    *,
    min_trips: int,
    time_bin: int | None,
    window: TimeWindow | None = None,
    area: Box | Area | None = None,
    after: tuple[int, ...] | None,
    limit: int,
    min_count: int | None = None,
) -> Select[Any]:
    """The clusters of a region's week, largest first, then by id.

    Args:
        region_id: the region.
        monday: of the week.
        min_trips: smallest number of trips.
        time_bin: the time bin of the typical time, counted from midnight.
        window: contains the typical time.
        area: contains both centroids.
        after: number of trips and id of the last cluster of the previous page.
        limit: largest number of rows.
        min_count: k, if only clusters of at least so many trips are shown, and these are rounded.
    """
    clusters, column = _select(min_count)
    conditions = [column.region_id == region_id, column.week == monday, column.trips >= min_trips]
    if after is not None:
        trips, cluster_id = (literal(number, BigInteger) for number in after)
        conditions.append(
            or_(column.trips < trips, and_(column.trips == trips, column.cluster_id > cluster_id))
        )
    if time_bin is not None:
        conditions.append(column.time_bin == time_bin)
    if window is not None:
        conditions.append(is_within(column.typical_time, window))
    if area is not None:
        conditions += [lies_in(column.origin, area), lies_in(column.destination, area)]
    return clusters.where(*conditions).order_by(column.trips.desc(), column.cluster_id).limit(limit)


def select_cluster(cluster_id: int, min_count: int | None = None) -> Select[Any]:
    """One cluster."""
    clusters, column = _select(min_count)
    return clusters.where(column.week == monday_of_id(cluster_id), column.cluster_id == cluster_id)


def select_cluster_trips(cluster_id: int, *, after: int, limit: int) -> Select[Any]:
    """The trips of a cluster whose ids are greater than `after`, by id."""
    listed = (
        select(func.unnest(_cluster.trip_ids).label("trip_id"))
        .where(_cluster.week == monday_of_id(cluster_id), _cluster.cluster_id == cluster_id)
        .subquery("listed")
    )
    members = (
        select(listed.c.trip_id)
        .where(listed.c.trip_id > after)
        .order_by(listed.c.trip_id)
        .limit(limit)
        .subquery("members")
    )
    monday = monday_of_id(cluster_id)
    return select_listed_trips(members, monday, monday)


def select_cluster_id_of_trip(trip_id: int) -> Select[int]:
    """The id of the cluster that contains a trip.

    No index leads from a trip to its cluster: members are looked up in the few clusters that can contain it.
    """
    monday = monday_of_id(trip_id)
    trip = tables.trips.c
    clock = cast(trip.started_at, Time)
    is_in_window = case(
        (
            _cluster.earliest_time <= _cluster.latest_time,
            clock.between(_cluster.earliest_time, _cluster.latest_time),
        ),
        else_=or_(clock >= _cluster.earliest_time, clock <= _cluster.latest_time),
    )
    candidates = (
        select(_cluster.cluster_id, _cluster.trip_ids)
        .join(tables.trips, trip.region_id == _cluster.region_id)
        .where(
            trip.trip_id == trip_id,
            trip.started_at >= monday,
            trip.started_at < monday + ONE_WEEK,
            _cluster.week == monday,
            is_in_window,
            func.ST_DistanceSphere(_cluster.origin, trip.origin) <= _cluster.radius_m + 1,
            func.ST_DistanceSphere(_cluster.destination, trip.destination) <= _cluster.radius_m + 1,
        )
        # Keeps PostgreSQL from reading the members of clusters that are too far away.
        .offset(0)
        .subquery("candidates")
    )
    return select(candidates.c.cluster_id).where(literal(trip_id, BigInteger) == any_(candidates.c.trip_ids))


def select_trip_id(trip_id: int) -> Select[int]:
    """The id itself if the trip exists."""
    trips, monday = tables.trips.c, monday_of_id(trip_id)
    # The week, so that one partition only is read.
    return select(trips.trip_id).where(
        trips.started_at >= monday, trips.started_at < monday + ONE_WEEK, trips.trip_id == trip_id
    )
