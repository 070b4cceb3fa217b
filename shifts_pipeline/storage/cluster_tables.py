"""A pair's groups and their two tables: computed, written in the layer's transaction, and held to their promises."""

from dataclasses import dataclass
from datetime import date, time

import numpy as np
import psycopg
from numpy.typing import NDArray

from shifts_core.clustering.clusters import Groups, Similarity, find_groups
from shifts_core.clustering.identity import cluster_ids
from shifts_pipeline.storage.binary_copy import new_rows, row_dtype, to_bytes
from shifts_pipeline.storage.region_week import PairTrips

_DAY_US = 86_400_000_000
_EPOCH_2000 = date(2000, 1, 1)
_MEMBER = row_dtype(week=">i4", region_id=">i4", cluster_id=">i8", trip_id=">i8")


@dataclass(frozen=True)
class PairGroups:
    """The groups of a pair."""

    trips: PairTrips
    groups: Groups
    ids: NDArray[np.int64]
    """Shape (g,)."""
    bins: NDArray[np.int64]
    """Shape (g,): time bin of the typical time, counted from midnight."""
    shares: NDArray[np.float64]
    """Shape (g,): of the trips of the bin, all days of the week together."""


def group_pair(trips: PairTrips, similarity: Similarity) -> PairGroups:
    """Groups the trips of a pair; days are pooled, times are the wall clock's."""
    # Trips that are equal in all but their id are told apart by it.
    order = np.argsort(trips.trip_ids)
    times_s = (trips.moments[order] % _DAY_US) / 1e6
    groups = find_groups(trips.ends[order], times_s, similarity)
    members = np.empty(len(order), np.int64)
    members[order] = groups.members
    groups = Groups(**{**vars(groups), "members": members})
    bins = (groups.typical_s // similarity.window_s).astype(np.int64)
    of_bin = np.bincount(
        (times_s // similarity.window_s).astype(np.int64), minlength=int(bins.max(initial=0)) + 1
    )
    ids = cluster_ids(trips.region, trips.week, members, trips.ends, trips.moments)
    return PairGroups(trips, groups, ids, bins, groups.sizes / np.maximum(of_bin[bins], 1))


def write_groups(pair: PairGroups, connection: psycopg.Connection) -> None:
    """Replaces the pair's groups and members in the open transaction."""
    trips, groups = pair.trips, pair.groups
    where = [trips.region_id, trips.week]
    for table in ("trip_cluster_members", "trip_clusters"):
        connection.execute(f"DELETE FROM shifts_store.{table} WHERE region_id = %s AND week = %s", where)  # noqa: S608
    ids = _free_ids(connection, pair)
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY shifts_store.trip_clusters (cluster_id, region_id, week, time_bin, trips, radius_m, typical_time,"
            " earliest_time, latest_time, share_of_bin, origin, destination) FROM STDIN"
        ) as copy,
    ):
        for group, id_ in enumerate(ids.tolist()):
            x0, y0, x1, y1 = groups.centroids[group].tolist()
            copy.write_row(
                (
                    id_,
                    trips.region_id,
                    trips.week,
                    int(pair.bins[group]),
                    int(groups.sizes[group]),
                    float(groups.radii_m[group]),
                    _clock(groups.typical_s[group]),
                    _clock(groups.earliest_s[group]),
                    _clock(groups.latest_s[group]),
                    float(pair.shares[group]),
                    f"SRID=4326;POINT({x0!r} {y0!r})",
                    f"SRID=4326;POINT({x1!r} {y1!r})",
                )
            )
    grouped = np.flatnonzero(groups.members >= 0)
    # In the order of the index that finds a group's trips.
    grouped = grouped[np.lexsort((trips.trip_ids[grouped], ids[groups.members[grouped]]))]
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY shifts_store.trip_cluster_members (week, region_id, cluster_id, trip_id) FROM STDIN"
            " (FORMAT binary)"
        ) as copy,
    ):
        rows = new_rows(_MEMBER, len(grouped))
        rows["week"] = (trips.week - _EPOCH_2000).days
        rows["region_id"] = trips.region_id
        rows["cluster_id"] = ids[groups.members[grouped]]
        rows["trip_id"] = trips.trip_ids[grouped]
        copy.write(to_bytes(rows))


def broken_promises(
    connection: psycopg.Connection, pair: PairGroups, similarity: Similarity
) -> tuple[list[int], list[int]]:
    """Groups as they stand in the database that are too wide, and those with trips that do not belong.

    A trip that is in two groups cannot be written: the members' primary key forbids it.
    """
    # Just loaded trips have no statistics yet, and the planner would take them for few.
    connection.execute("SET LOCAL enable_nestloop = off")
    row = connection.execute(
        """
        WITH t AS MATERIALIZED (
            SELECT c.cluster_id, c.trips, c.radius_m, c.earliest_time, c.latest_time, t.trip_id,
                   t.started_at::time AS clock,
                   greatest(ST_DistanceSphere(c.origin, t.origin),
                            ST_DistanceSphere(c.destination, t.destination)) AS distance
            FROM shifts_store.trip_clusters c
            JOIN shifts_store.trip_cluster_members m USING (week, cluster_id)
            LEFT JOIN shifts_store.trips t
                ON t.trip_id = m.trip_id AND t.region_id = c.region_id
                AND t.started_at >= %(week)s::date AND t.started_at < %(week)s::date + 7
            WHERE c.region_id = %(region)s AND c.week = %(week)s::date AND m.region_id = c.region_id
        )
        SELECT coalesce(array_agg(DISTINCT cluster_id) FILTER (WHERE wide), '{}'),
               coalesce(array_agg(DISTINCT cluster_id) FILTER (WHERE astray), '{}')
        FROM (SELECT cluster_id,
                     bool_or(distance > radius_m + 0.01 OR radius_m > %(radius)s) AS wide,
                     bool_or(trip_id IS NULL OR CASE WHEN earliest_time <= latest_time
                             THEN clock NOT BETWEEN earliest_time AND latest_time
                             ELSE clock < earliest_time AND clock > latest_time END)
                     OR count(trip_id) <> min(trips) OR min(trips) < %(least)s AS astray
              FROM t GROUP BY cluster_id) AS g
        """,
        {
            "region": pair.trips.region_id,
            "week": pair.trips.week,
            "radius": similarity.max_radius_m,
            "least": similarity.min_trips,
        },
    ).fetchone()
    connection.commit()
    assert row is not None
    return row[0], row[1]


def _free_ids(connection: psycopg.Connection, pair: PairGroups) -> NDArray[np.int64]:
    """The ids, those changed that another region's group of the week has by chance."""
    ids = pair.ids.copy()
    taken = set(ids.tolist())
    while True:
        rows = connection.execute(
            "SELECT cluster_id FROM shifts_store.trip_clusters WHERE week = %s AND cluster_id = ANY (%s)",
            [pair.trips.week, ids.tolist()],
        ).fetchall()
        if not rows:
            return ids
        for group in np.flatnonzero(np.isin(ids, [id_ for (id_,) in rows])).tolist():
            while ids[group] in taken:
                ids[group] += 1
            taken.add(int(ids[group]))


def _clock(seconds: float) -> time:
    micros = round(float(seconds) * 1e6) % _DAY_US
    minutes, micros = divmod(micros, 60_000_000)
    return time(minutes // 60, minutes % 60, micros // 1_000_000, micros % 1_000_000)
