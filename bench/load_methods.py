"""Methods of loading a file of trips into the table; each runs in a separate process that measures itself."""

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
"""File id of rows that the alternatives write, which have no ledger record."""

Task = TypeVar("Task")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Work:
    """The input of a method."""

    environment: dict[str, str]
    """The platform's settings."""
    file: Path
    """The dropped file, in a separate folder."""
    prepared: Path
    """The same trips as CSV without header, with the columns of the table and points in EWKT."""

    @property
    def url(self) -> str:
        """The URL of the database."""
        return self.environment["SHIFTS_DATABASE_URL"]


@dataclass(frozen=True)
class Measured:
    """Time and memory of a method, from the file to committed rows."""

    rows: int
    seconds: float
    peak_bytes: int
    """Peak memory of the loading process, without the server."""
    run_seconds: float = 0.0
    """Shifts only: until the end of Dagster's run, including checks, plots and events after the commit."""

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds


def measure(method: Callable[[Task], Found], work: Task, log: Path) -> Found:
    """Runs a method in a new process whose output goes to `log`.

    Raises:
        RuntimeError: the method failed.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_report, args=(method, work, log, theirs))
    process.start()
    theirs.close()
    try:
        found: Found = ours.recv()
    except EOFError:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"{method.__name__} failed: {''.join(last)[:500]}") from None
    finally:
        process.join()
    return found


def _report(method: Callable[[Task], Found], work: Task, log: Path, pipe: Connection) -> None:
    with log.open("wb") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    pipe.send(method(work))


def load_with_asset(work: Work) -> Measured:
    """A run of the asset `raw_trips`, with its events in Dagster's database."""
    os.environ.update(work.environment)
    # The processes of the alternatives do without these imports.
    import dagster as dg  # noqa: PLC0415

    from shifts_pipeline.definitions import defs  # noqa: PLC0415
    from shifts_pipeline.jobs.asset_jobs import load_trip_files  # noqa: PLC0415
    from shifts_pipeline.partitions import TRIP_FILES, to_key  # noqa: PLC0415

    # The clock of the ledger is the same. A run worker, too, begins with the definitions.
    begun = time.time()
    job = defs().resolve_job_def(load_trip_files.name)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(str(TRIP_FILES.name), [to_key(work.file.name)])
        job.execute_in_process(instance=instance, partition_key=to_key(work.file.name))
        run_seconds = time.time() - begun
    with psycopg.connect(work.url) as connection:
        found = connection.execute(
            "SELECT rows_loaded, extract(epoch FROM published_at)::float8 FROM shifts_store.trip_files"
            " WHERE name = %s",
            [work.file.name],
        ).fetchone()
    assert found is not None
    rows, published_at = found
    return Measured(rows, published_at - begun, own_peak(), run_seconds)


def psql_copy(work: Work) -> Measured:
    """`psql`'s \\copy of the prepared file into the same table, without the time for preparing it."""
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
    """An INSERT per row with literal values, parsed and planned each time, as most drivers send it."""
    return _insert(work, prepared=False)


def insert_prepared(work: Work) -> Measured:
    """An INSERT per row, prepared once by the server."""
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
    """The number of rows in the table."""
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone()
    assert row is not None
    return int(row[0])


def own_peak() -> int:
    """The peak memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # The value of getrusage includes the peak of the parent process.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
