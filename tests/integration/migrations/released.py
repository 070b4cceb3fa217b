"""Databases of earlier versions, with their SQL, their history of migrations, and data."""

import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from shifts_core.tiles.build import build_tiles

SCHEMAS = Path(__file__).parents[2] / "data/schemas"
MONDAYS = (date(2018, 5, 21), date(2018, 5, 28))
TRIPS = [
    (region, week, f"{week} 08:{minute:02}:00", 7.6 + minute * 1e-3, 45.0)
    for region in ("Prague", "Turin")
    for week in MONDAYS
    for minute in range(12)
]
"""Region, week, time, longitude and latitude of both ends."""
KEPT = (
    "SELECT * FROM shifts_store.regions",
    "SELECT * FROM shifts_store.sources",
    "SELECT file_id, kind, uri, name, version, size_bytes, content_hash, status, duplicate_of, rows_loaded,"
    " rows_rejected, task_id, run_request_id, requested_at, attempts, run_id, queued_at, started_at, finished_at,"
    " published_at, error FROM shifts_store.trip_files",
    "SELECT * FROM shifts_store.rejected_rows",
    "SELECT * FROM shifts_store.trips",
    "SELECT region_id, week, file_id, trips, first_at, last_at FROM shifts_store.file_week_counts",
    "SELECT region_id, week, revision, changed_at, deletion_count, clusters_revision, clusters_at"
    " FROM shifts_store.region_weeks",
    "SELECT cluster_id, region_id, week, time_bin, trips, radius_m, typical_time, earliest_time, latest_time,"
    " share_of_bin, origin, destination FROM shifts_store.trip_clusters",
    "SELECT cluster_id, trip_id FROM shifts.cluster_members",
    "SELECT last_value FROM shifts_store.revisions",
    "SELECT last_value FROM shifts_store.trip_numbers",
)
"""Queries of data that every version has and no upgrade may change."""
_FORMER_NAMES = {
    "file_week_counts": "week_files",
    "run_request_id": "batch",
    "published_at": "announced_at",
    "deletion_count": "removals",
    "clusters_revision": "clusters_change_id",
    "shifts_store.revisions": "shifts_store.changes",
    "revision": "change_id",
}
"""Of tables and columns, up to release 13."""


def release_numbers(database: str) -> list[int]:
    """Returns the numbers of the stored schemas of `trips_db` or `dagster_db`, oldest first."""
    return sorted(int(path.stem) for path in (SCHEMAS / database).glob("*.sql"))


def apply_release(connection: psycopg.Connection, database: str, number: int) -> None:
    """Does what `shifts migrate` of that version did: applies each file and records its checksum.

    Raises:
        psycopg.Error: the version cannot upgrade this database; files before the failing one are applied.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS public.shifts_migrations"
        " (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    text = (SCHEMAS / database / f"{number:02}.sql").read_text(encoding="utf-8")
    for name, content in re.findall(
        r"^-- file: (\S+)\n(.*?)(?=^-- file: |\Z)", text, re.DOTALL | re.MULTILINE
    ):
        with connection.transaction():
            if "/functions/" in name:
                # They may name what a later file defines.
                connection.execute("SET LOCAL check_function_bodies = off")
            connection.execute(content.encode())
            connection.execute(
                "INSERT INTO public.shifts_migrations (name, checksum) VALUES (%s, %s)"
                " ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum",
                [name, hashlib.sha256(content.encode()).hexdigest()],
            )


def fill(connection: psycopg.Connection) -> None:
    """A loaded, a failed, a duplicate and a queued file; Turin's second week is refreshed, the others are stale."""
    run = connection.execute
    run("SELECT shifts_store.region_ids('{Prague,Turin}'), shifts_store.source_ids('{baba_car}')")
    run(
        "INSERT INTO shifts_store.trip_files (uri, name, version, content_hash, status, rows_loaded, rows_rejected)"
        " VALUES ('file:///a.csv', 'a.csv', '1', 'a', 'loaded', %s, 1),"
        " ('file:///b.csv', 'b.csv', '1', 'b', 'failed', 0, 0),"
        " ('file:///c.csv', 'c.csv', '1', 'a', 'duplicate', 0, 0),"
        " ('file:///d.csv', 'd.csv', '1', NULL, 'queued', 0, 0)",
        [len(TRIPS)],
    )
    run("INSERT INTO shifts_store.rejected_rows VALUES (1, 7, 'invalid time', 'Turin,…')")
    for week in MONDAYS:
        run("SELECT shifts_store.ensure_week(%s)", [week])
    run("SELECT shifts_store.reserve_trip_numbers(%s)", [len(TRIPS)])
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO shifts_store.trips SELECT shifts_store.first_id_of_week(%(week)s) + %(number)s, %(moment)s,"
            " (SELECT region_id FROM shifts_store.regions WHERE name = %(region)s), 1, 1,"
            " ST_SetSRID(ST_MakePoint(%(x)s, %(y)s), 4326), ST_SetSRID(ST_MakePoint(%(x)s, %(y)s), 4326)",
            [
                dict(zip(("region", "week", "moment", "x", "y"), trip, strict=True), number=number)
                for number, trip in enumerate(TRIPS, start=1)
            ],
        )
    run(
        "SELECT shifts_store.book_file(1, array_agg(region_id), array_agg(week), array_agg(trips),"
        " array_agg(first_at), array_agg(last_at)) FROM (SELECT region_id, shifts_store.week_of(started_at) AS week,"
        " count(*) AS trips, min(started_at) AS first_at, max(started_at) AS last_at FROM shifts_store.trips"
        " GROUP BY 1, 2) AS pairs"
    )
    _refresh(connection)


def _refresh(connection: psycopg.Connection) -> None:
    """Writes tiles and one cluster for Turin's second week, in the form of the database's version."""
    columns = {
        name
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('shifts_store.weekly_trip_tiles')"
        )
    }
    row = connection.execute("SELECT region_id FROM shifts_store.regions WHERE name = 'Turin'").fetchone()
    assert row is not None
    where = [*row, MONDAYS[1]]
    if "low_x0" in columns:
        connection.execute(
            "INSERT INTO shifts_store.weekly_trip_tiles"
            " VALUES (%s, %s, 0, 12, 7, 45, 7, 45, 8, 45, 8, 45, '', '', '')",
            where,
        )
    elif columns:
        points = [(x, y, x, y) for region, week, _, x, y in TRIPS if (region, week) == ("Turin", MONDAYS[1])]
        for number, tile in enumerate(build_tiles(np.array(points), np.zeros(len(points), np.uint16))):
            connection.execute(
                "INSERT INTO shifts_store.weekly_trip_tiles VALUES (%s, %s, %s, %s, %s, %s, %s)",
                # These versions stored no minutes.
                [*where, number, tile.trips, tile.leaves, tile.high_bits[: 8 * tile.trips], tile.low_bits],
            )
        connection.execute(
            "UPDATE shifts_store.region_weeks SET tiles_version = nextval('shifts_store.changes')"
            " WHERE (region_id, week) = (%s, %s)",
            where,
        )
    connection.execute(
        "UPDATE shifts_store.week_files SET aggregated = true WHERE (region_id, week) = (%s, %s)", where
    )
    connection.execute(
        "UPDATE shifts_store.region_weeks SET aggregates_change_id = change_id, aggregates_at = now(),"
        " clusters_change_id = change_id, clusters_at = now() WHERE (region_id, week) = (%s, %s)",
        where,
    )
    region_week = dict(zip(("region", "week"), where, strict=True))
    connection.execute(
        "INSERT INTO shifts_store.trip_clusters"
        " SELECT shifts_store.first_id_of_week(%(week)s) + 1, %(region)s, %(week)s, 8, 12, 100, '08:05', '08:00',"
        " '08:11', 1, min(origin), min(destination) FROM shifts_store.trips WHERE region_id = %(region)s",
        region_week,
    )
    connection.execute(
        "INSERT INTO shifts_store.trip_cluster_members"
        " SELECT %(week)s, region_id, shifts_store.first_id_of_week(%(week)s) + 1, trip_id"
        " FROM shifts_store.trips"
        " WHERE region_id = %(region)s AND shifts_store.week_of(started_at) = %(week)s",
        region_week,
    )


def contents(url: str) -> list[list[tuple[Any, ...]]]:
    """Returns the rows that no upgrade may change."""
    with psycopg.connect(url) as connection:
        is_renamed = connection.execute("SELECT to_regclass('shifts_store.file_week_counts')").fetchone()
        statements = KEPT if is_renamed != (None,) else map(_with_former_names, KEPT)
        return [
            sorted(connection.execute(statement.encode()).fetchall(), key=repr) for statement in statements
        ]


def _with_former_names(statement: str) -> str:
    for name, former in _FORMER_NAMES.items():
        statement = re.sub(rf"\b{name}\b", former, statement)
    return statement
