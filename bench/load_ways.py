"""Ways to bring a file of trips into the table, each run in a process of its own that measures itself."""

import csv
import multiprocessing
import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import psutil
import psycopg

TABLE = "shifts_store.trips"
COLUMNS = ("trip_id", "started_at", "region_id", "source_id", "file_id", "origin", "destination")
FOREIGN_FILE_ID = 0
"""Of rows that the other ways write: they have no ledger."""

Task = TypeVar("Task")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Work:
    """What a way is given."""

    environment: dict[str, str]
    """The platform's settings."""
    file: Path
    """Trips as they are dropped, in a folder of their own."""
    prepared: Path
    """The same trips as CSV without header whose columns are the table's, points in EWKT."""

    @property
    def url(self) -> str:
        """The address of the database."""
        return self.environment["SHIFTS_DATABASE_URL"]


@dataclass(frozen=True)
class Measured:
    """What a way took from the file to committed rows."""

    rows: int
    seconds: float
    peak_bytes: int
    """Of the loading process, the interpreter and its libraries included; not of the server."""
    run_seconds: float = 0.0
    """Ours: to the end of Dagster's run, what it does after the commit included: check, pictures, events."""

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds


def measure(way: Callable[[Task], Found], work: Task, log: Path) -> Found:
    """Runs a way in a fresh process that writes what it says into `log`.

    Raises:
        RuntimeError: it failed.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_report, args=(way, work, log, theirs))
    process.start()
    theirs.close()
    try:
        found: Found = ours.recv()
    except EOFError:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"{way.__name__} failed: {''.join(last)[:500]}") from None
    finally:
        process.join()
    return found


def _report(way: Callable[[Task], Found], work: Task, log: Path, pipe: Connection) -> None:
    with log.open("wb") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    pipe.send(way(work))


def through_the_asset(work: Work) -> Measured:
    """Ours: a run of the asset `raw_trips`, its events in Dagster's database."""
    os.environ.update(work.environment)
    # Not in the processes of the other ways.
    import dagster as dg  # noqa: PLC0415

    from shifts_pipeline.definitions import defs  # noqa: PLC0415
    from shifts_pipeline.jobs.asset_jobs import load_trip_files  # noqa: PLC0415
    from shifts_pipeline.partitions import TRIP_FILES, to_key  # noqa: PLC0415

    job = defs().resolve_job_def(load_trip_files.name)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(str(TRIP_FILES.name), [to_key(work.file.name)])
        # The ledger's clock is this machine's, too.
        begun = time.time()
        job.execute_in_process(instance=instance, partition_key=to_key(work.file.name))
        run_seconds = time.time() - begun
    with psycopg.connect(work.url) as connection:
        found = connection.execute(
            "SELECT rows_loaded, extract(epoch FROM published_at)::float8 FROM shifts_store.trip_files"
            " WHERE name = %s",
            [work.file.name],
        ).fetchone()
    assert found is not None
    rows, announced = found
    return Measured(rows, announced - begun, own_peak(), run_seconds)


def psql_copy(work: Work) -> Measured:
    """`psql`'s \\copy of the prepared file into the same table; preparing it is not counted."""
    command = f"\\copy {TABLE} ({', '.join(COLUMNS)}) from '{work.prepared}' with (format csv)"
    begun = time.perf_counter()
    with subprocess.Popen(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", command, work.url]) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            time.sleep(0.05)
    seconds = time.perf_counter() - begun
    if process.returncode != 0:
        raise RuntimeError("psql failed")
    return Measured(stored_rows(work.url), seconds, peak)


def pandas_to_sql(work: Work) -> Measured:
    """`pandas.read_csv` and `DataFrame.to_sql`, points through GeoAlchemy2."""
    import pandas as pd  # noqa: PLC0415
    from geoalchemy2 import Geometry  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415

    from shifts_pipeline.storage import database  # noqa: PLC0415

    engine = create_engine(database.with_driver(work.url, "psycopg"))
    begun = time.perf_counter()
    frame = pd.read_csv(work.file)
    with psycopg.connect(work.url) as connection:
        regions = _ids(connection, "region_ids", set(frame["region"]))
        sources = _ids(connection, "source_ids", set(frame["datasource"]))
    rows = pd.DataFrame(
        {
            "trip_id": range(1, len(frame) + 1),
            "started_at": pd.to_datetime(frame["datetime"]),
            "region_id": frame["region"].map(regions),
            "source_id": frame["datasource"].map(sources),
            "file_id": FOREIGN_FILE_ID,
            "origin": frame["origin_coord"],
            "destination": frame["destination_coord"],
        }
    )
    schema, table = TABLE.split(".")
    types = {name: Geometry("POINT", 4326) for name in ("origin", "destination")}
    rows.to_sql(table, engine, schema=schema, if_exists="append", index=False, chunksize=10_000, dtype=types)
    seconds = time.perf_counter() - begun
    return Measured(stored_rows(work.url), seconds, own_peak())


def insert_row_by_row(work: Work) -> Measured:
    """An INSERT for each row as most drivers send it: with its values, to be parsed and planned anew."""
    return _insert(work, prepared=False)


def insert_prepared(work: Work) -> Measured:
    """An INSERT for each row, prepared once by the server."""
    return _insert(work, prepared=True)


def _insert(work: Work, *, prepared: bool) -> Measured:
    marks = "%s, %s, %s, %s, %s, ST_GeomFromText(%s, 4326), ST_GeomFromText(%s, 4326)"
    statement = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({marks})"
    begun = time.perf_counter()
    with psycopg.connect(work.url) as connection, connection.cursor() as cursor, work.file.open() as lines:
        regions: dict[str, int] = {}
        sources: dict[str, int] = {}
        for number, row in enumerate(csv.DictReader(lines), start=1):
            region, source = row["region"], row["datasource"]
            if region not in regions:
                regions |= _ids(connection, "region_ids", {region})
            if source not in sources:
                sources |= _ids(connection, "source_ids", {source})
            values = (number, row["datetime"], regions[region], sources[source], FOREIGN_FILE_ID)
            cursor.execute(
                statement, [*values, row["origin_coord"], row["destination_coord"]], prepare=prepared
            )
    seconds = time.perf_counter() - begun
    return Measured(stored_rows(work.url), seconds, own_peak())


def _ids(connection: psycopg.Connection, function: str, names: set[str]) -> dict[str, int]:
    statement = f"SELECT * FROM shifts_store.{function}(%s)"
    return dict(connection.execute(statement, [sorted(names)]).fetchall())


def stored_rows(url: str) -> int:
    """How many there are."""
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone()
    assert row is not None
    return int(row[0])


def own_peak() -> int:
    """Most memory this process ever had, bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage says begins with the peak of the process that started this one.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
