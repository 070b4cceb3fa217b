"""What the derived tables hold of a week, over all regions: the figures that the Dagster UI shows."""

from dataclasses import dataclass
from datetime import date, time

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row


@dataclass(frozen=True)
class ClusterTotals:
    """Figures of the clusters of a week; radii in metres."""

    clusters: int
    trips: int
    radius_m_median: float
    radius_m_p95: float
    radius_m_max: float


@dataclass(frozen=True)
class LargeCluster:
    """One of the largest clusters of a week."""

    region: str
    trips: int
    typical: time
    earliest: time
    latest: time
    radius_m: float
    origin: str
    """Latitude, longitude."""
    destination: str


def largest_regions(connection: psycopg.Connection, week: date, limit: int) -> list[tuple[str, int]]:
    """Names of the regions with most trips in a week, and these numbers."""
    return connection.execute(
        """
        SELECT r.name, c.trips FROM (
            SELECT region_id, sum(trips)::bigint AS trips FROM shifts_store.file_week_counts
            WHERE week = %s GROUP BY region_id ORDER BY 2 DESC, 1 LIMIT %s) AS c
        JOIN shifts_store.regions r USING (region_id) ORDER BY c.trips DESC, r.name
        """,
        [week, limit],
    ).fetchall()


def largest_files(connection: psycopg.Connection, week: date, limit: int) -> tuple[list[str], int]:
    """Names of the files with most trips in a week, and the number of all its files."""
    rows = connection.execute(
        """
        SELECT f.name, count(*) OVER () FROM (
            SELECT file_id, sum(trips) AS trips FROM shifts_store.file_week_counts
            WHERE week = %s GROUP BY file_id) AS c
        JOIN shifts_store.trip_files f USING (file_id) WHERE f.kind = 'file'
        ORDER BY c.trips DESC, f.name LIMIT %s
        """,
        [week, limit],
    ).fetchall()
    return [name for name, _ in rows], rows[0][1] if rows else 0


def cluster_totals(connection: psycopg.Connection, week: date) -> ClusterTotals:
    """The figures of a week; radii are 0 without clusters."""
    with connection.cursor(row_factory=class_row(ClusterTotals)) as cursor:
        totals = cursor.execute(
            """
            SELECT clusters, trips, coalesce(radii[1], 0) AS radius_m_median, coalesce(radii[2], 0) AS radius_m_p95,
                   coalesce(radii[3], 0) AS radius_m_max
            FROM (SELECT count(*) AS clusters, coalesce(sum(trips), 0)::bigint AS trips,
                         percentile_cont(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY radius_m) AS radii
                  FROM shifts_store.trip_clusters WHERE week = %s) AS found
            """,
            [week],
        ).fetchone()
    assert totals is not None
    return totals


def largest_clusters(connection: psycopg.Connection, week: date, limit: int) -> list[LargeCluster]:
    """The clusters with most trips in a week."""
    with connection.cursor(row_factory=class_row(LargeCluster)) as cursor:
        return cursor.execute(
            """
            SELECT r.name AS region, c.trips, c.typical_time AS typical, c.earliest_time AS earliest,
                   c.latest_time AS latest, c.radius_m,
                   format('%%s, %%s', round(public.ST_Y(c.origin)::numeric, 5),
                          round(public.ST_X(c.origin)::numeric, 5)) AS origin,
                   format('%%s, %%s', round(public.ST_Y(c.destination)::numeric, 5),
                          round(public.ST_X(c.destination)::numeric, 5)) AS destination
            FROM (SELECT * FROM shifts_store.trip_clusters WHERE week = %s
                  ORDER BY trips DESC, cluster_id LIMIT %s) AS c
            JOIN shifts_store.regions r USING (region_id) ORDER BY c.trips DESC, c.cluster_id
            """,
            [week, limit],
        ).fetchall()


def flows(
    connection: psycopg.Connection, week: date, region: str, limit: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Centroids of a region's largest clusters, shape (n, 4) in degrees, and their numbers of trips, shape (n,)."""
    rows = connection.execute(
        """
        SELECT public.ST_X(c.origin), public.ST_Y(c.origin), public.ST_X(c.destination), public.ST_Y(c.destination),
               c.trips
        FROM shifts_store.trip_clusters c
        WHERE c.region_id = (SELECT region_id FROM shifts_store.regions WHERE name = %s) AND c.week = %s
        ORDER BY c.trips DESC, c.cluster_id LIMIT %s
        """,
        [region, week, limit],
    ).fetchall()
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return table[:, :4], table[:, 4].astype(np.int64)
