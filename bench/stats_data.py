"""Generated trips, loaded and refreshed as the platform does it and copied to the tables of the other methods."""

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import psycopg

from shifts_core.calendar import DateRange
from shifts_core.tiles.build import build_tiles
from shifts_core.time_filter import minutes_of_week
from shifts_pipeline.storage import transitions
from shifts_pipeline.storage.binary_copy import copied_rows, row_dtype
from shifts_pipeline.storage.load_file import load_file
from shifts_pipeline.storage.region_week import read_pair, replace_derived
from shifts_pipeline.storage.tile_tables import merge_segments
from shifts_platform.generator.csv_file import csv_blocks

_FILE_ROWS = 5_000_000
_CALENDAR = DateRange.starting(date(2000, 1, 3), date.today())  # noqa: DTZ011
_ROW = row_dtype(region_id=">i4", day=">i4", minute=">i4", x0=">f8", y0=">f8", x1=">f8", y1=">f8")


def load(url: str, folder: Path, rows: int, say: Callable[[str], None]) -> None:
    """Loads generated trips into the trips table, in files of at most 5 million."""
    for number, first in enumerate(range(0, rows, _FILE_ROWS)):
        size = min(_FILE_ROWS, rows - first)
        say(f"loading {first + size:,} of {rows:,} trips")
        path = folder / "trips.csv"
        with path.open("wb") as file:
            for _, lines in csv_blocks(size, seed=100 + number):
                file.write(lines)
        with (
            psycopg.connect(url) as connection,
            psycopg.connect(url, autocommit=True) as side,
            path.open("rb") as stream,
        ):
            row = connection.execute(
                "INSERT INTO shifts_store.trip_files (uri, name, version, status, published_at)"
                " VALUES (%s, %s, '1', 'loading', now()) RETURNING file_id",
                [f"bench:{number}", f"{number}.csv"],
            ).fetchone()
            assert row is not None
            report = load_file(
                connection,
                side=side,
                file_id=row[0],
                stream=stream,
                name=path.name,
                size=path.stat().st_size,
                dates=_CALENDAR,
                max_rejected_share=0,
                on_progress=lambda _: None,
            )
            assert transitions.finish(connection, row[0], report)
        path.unlink()


def refresh(url: str, say: Callable[[str], None]) -> None:
    """Builds the tiles of every pair, then analyzes and checkpoints the database."""
    with psycopg.connect(url) as connection:
        pairs = connection.execute(
            "SELECT region, week FROM shifts_store.stale_weeks ORDER BY 1, 2"
        ).fetchall()
        connection.commit()
        for number, (region, week) in enumerate(pairs, start=1):
            say(f"refreshing pair {number} of {len(pairs)}")
            pair = read_pair(connection, region, week)
            assert pair is not None
            tiles = [] if pair.unmerged else list(build_tiles(pair.ends, minutes_of_week(pair.moments)))
            replace_derived(connection, pair, "aggregates", partial(merge_segments, pair, tiles))
    with psycopg.connect(url, autocommit=True) as connection:
        say("analyzing")
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")


def sizes(url: str) -> tuple[int, int]:
    """Bytes of the trips and of the tiles, each with their indexes."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('shifts_store.trips'))::bigint,"
            " pg_total_relation_size('shifts_store.weekly_trip_tiles')"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def copy_for_others(url: str, folder: Path, say: Callable[[str], None]) -> Path:
    """Fills the original's table, a plain table with GiST indexes and a DuckDB file; returns the file's path."""
    with psycopg.connect(url, autocommit=True) as connection:
        say("the original's table")
        connection.execute(
            "CREATE TABLE original_trips AS SELECT trip_id AS id, region, origin AS origin_coord,"
            " destination AS destination_coord, started_at AS datetime, source AS datasource FROM shifts.trips"
        )
        say("plain PostGIS: table and indexes")
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(
            "CREATE TABLE plain_trips AS SELECT region_id, started_at, origin, destination FROM shifts_store.trips"
        )
        connection.execute("CREATE INDEX ON plain_trips USING gist (origin)")
        connection.execute("CREATE INDEX ON plain_trips USING gist (destination)")
        connection.execute("VACUUM ANALYZE original_trips, plain_trips")
    say("DuckDB's table")
    path = folder / "trips.duckdb"
    with psycopg.connect(url) as connection, duckdb.connect(str(path)) as duck:
        duck.execute(
            "CREATE TABLE trips (region_id INTEGER, week DATE, minute INTEGER,"
            " x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE)"
        )
        statement = psycopg.sql.SQL(
            "COPY (SELECT region_id, shifts_store.week_of(started_at) - date '2000-01-01',"
            " floor(extract(epoch FROM started_at - shifts_store.week_of(started_at)) / 60)::integer,"
            " ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination)"
            " FROM shifts_store.trips) TO STDOUT (FORMAT binary)"
        )
        for rows in copied_rows(connection, statement, _ROW):
            columns = {  # noqa: F841  DuckDB reads the variable by its name
                name: rows[name].astype(rows[name].dtype.newbyteorder("="))
                for name in ("region_id", "day", "minute", "x0", "y0", "x1", "y1")
            }
            duck.execute(
                "INSERT INTO trips SELECT region_id, DATE '2000-01-01' + day, minute, x0, y0, x1, y1 FROM columns"
            )
    return path
