"""The files that methods of loading are compared on, and emptying the tables they go into."""

import io
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from bench.load_methods import COLUMNS, FOREIGN_FILE_ID, Work
from shifts_platform.generator.csv_file import csv_blocks

_SEED = 1
_WRITTEN = ("region", "origin_coord", "destination_coord", "datetime", "datasource")
_EMPTIED = (
    "trips, rejected_rows, file_week_counts, region_weeks, weekly_trip_tiles, tile_segments, trip_files"
)


def write_files(environment: dict[str, str], folder: Path, rows: int) -> Work:
    """Writes a file of generated trips and the same trips in the form of the table; creates their partitions."""
    work = place(environment, folder, rows)
    done = 0
    with (
        work.file.open("wb") as file,
        work.prepared.open("wb") as prepared,
        psycopg.connect(work.url, autocommit=True) as connection,
    ):
        for count, lines in csv_blocks(rows, seed=_SEED):
            file.write(lines)
            if count:
                _write_prepared(prepared, lines, done, connection)
            done += count
    return work


def write_file(environment: dict[str, str], folder: Path, rows: int, number: int = 0) -> Work:
    """Writes only the file of generated trips; the number selects different trips."""
    work = place(environment, folder, rows, number)
    with work.file.open("wb") as file:
        for _, lines in csv_blocks(rows, seed=_SEED + number):
            file.write(lines)
    return work


def place(environment: dict[str, str], folder: Path, rows: int, number: int = 0) -> Work:
    """The paths of the files of a size."""
    landing = folder / f"landing_{rows}"
    landing.mkdir(exist_ok=True)
    environment = environment | {"SHIFTS_LANDING_URL": str(landing)}
    return Work(environment, landing / f"trips_{rows}_{number}.csv", folder / f"prepared_{rows}.csv")


def empty(url: str) -> None:
    """Deletes all trips and runs a checkpoint, so that every load starts in the same state."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = shifts_store, public")
        connection.execute(f"TRUNCATE {_EMPTIED} CASCADE")
        connection.execute("CHECKPOINT")


def _write_prepared(file: io.BufferedWriter, lines: bytes, done: int, connection: psycopg.Connection) -> None:
    trips = pa_csv.read_csv(io.BytesIO(lines), pa_csv.ReadOptions(column_names=_WRITTEN))
    for week in pc.unique(pc.floor_temporal(trips["datetime"], unit="week")).to_pylist():
        connection.execute("SELECT shifts_store.ensure_week(%s)", [week.date()])
    columns = [
        pa.array(range(done + 1, done + len(trips) + 1)),
        trips["datetime"],
        _ids(trips["region"], "region_ids", connection),
        _ids(trips["datasource"], "source_ids", connection),
        pa.repeat(FOREIGN_FILE_ID, len(trips)),
        *(pc.binary_join_element_wise("SRID=4326;", trips[name], "") for name in _WRITTEN[1:3]),
    ]
    table = pa.table(columns, names=list(COLUMNS))
    pa_csv.write_csv(table, file, pa_csv.WriteOptions(include_header=False))


def _ids(names: pa.ChunkedArray, function: str, connection: psycopg.Connection) -> pa.ChunkedArray:
    known = pc.unique(names)
    statement = f"SELECT * FROM shifts_store.{function}(%s)"
    ids: dict[str, int] = dict(connection.execute(statement, [known.to_pylist()]).fetchall())
    return pc.take(pa.array([ids[name] for name in known.to_pylist()]), pc.index_in(names, known))
