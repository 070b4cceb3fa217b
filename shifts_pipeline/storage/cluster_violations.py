"""What clusters guarantee, measured by PostGIS on the written tables."""

from datetime import date
from typing import NamedTuple

import psycopg

_VIOLATIONS = """
    WITH members AS MATERIALIZED (
        SELECT c.cluster_id, c.trips, c.radius_m, c.earliest_time, c.latest_time, t.trip_id,
               t.started_at::time AS clock,
               greatest(ST_DistanceSphere(c.origin, t.origin),
                        ST_DistanceSphere(c.destination, t.destination)) AS distance
        FROM shifts_store.trip_clusters c
        JOIN shifts_store.trip_cluster_members m USING (week, cluster_id)
        LEFT JOIN shifts_store.trips t
            ON t.trip_id = m.trip_id AND t.region_id = c.region_id
            AND t.started_at >= %(week)s::date AND t.started_at < %(week)s::date + 7
        WHERE c.region_id = %(region_id)s AND c.week = %(week)s::date AND m.region_id = c.region_id
    )
    SELECT coalesce(array_agg(cluster_id) FILTER (WHERE too_wide), '{}'),
           coalesce(array_agg(cluster_id) FILTER (WHERE wrong_members), '{}')
    FROM (SELECT cluster_id,
                 bool_or(distance > radius_m + 0.01 OR radius_m > %(max_radius_m)s) AS too_wide,
                 bool_or(trip_id IS NULL OR CASE WHEN earliest_time <= latest_time
                         THEN clock NOT BETWEEN earliest_time AND latest_time
                         ELSE clock < earliest_time AND clock > latest_time END)
                 OR count(trip_id) <> min(trips) OR min(trips) < %(min_trips)s AS wrong_members
          FROM members GROUP BY cluster_id) AS checked
"""


class Violations(NamedTuple):
    """Ids of clusters that break a guarantee."""

    too_wide: list[int]
    """Wider than their radius says, or than allowed."""
    wrong_members: list[int]
    """With too few trips, or with trips that are missing or outside of region, week or time window."""


def find_violations(
    connection: psycopg.Connection, region_id: int, week: date, *, max_radius_m: float, min_trips: int
) -> Violations:
    """Check the clusters of a (region, week) pair in a transaction of its own.

    The primary key of the members already keeps a trip from being in two clusters.
    """
    # The planner has no statistics of newly loaded trips and expects too few for a nested loop.
    connection.execute("SET LOCAL enable_nestloop = off")
    row = connection.execute(
        _VIOLATIONS,
        {"region_id": region_id, "week": week, "max_radius_m": max_radius_m, "min_trips": min_trips},
    ).fetchone()
    connection.commit()
    assert row is not None
    return Violations(*row)
