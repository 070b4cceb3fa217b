"""Drops a burst of tiny files into a running platform and follows it until every file is loaded or failed."""

import argparse
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psycopg

from bench.server import machine
from shifts_pipeline.storage.database import conninfo
from tests.integration.platform.running import RunningPlatform, new_environment, running_platform

_HEADER = "region,origin_coord,destination_coord,datetime,datasource\n"
_REGIONS = ("Hamburg", "Prague", "Turin")
_SENSORS = ("landing_zone", "queued_files")
_POLL_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--files", type=int, default=5_000, help="files in the burst (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=20, help="trips of a file (default: %(default)s)")
    parser.add_argument("--malformed", type=int, default=100, help="further files (default: %(default)s)")
    parser.add_argument(
        "--limit", type=float, default=900.0, help="stops after so many seconds (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    with TemporaryDirectory(prefix="shifts-bench-") as name:
        environment = new_environment(Path(name))
        with running_platform(environment) as platform:
            # Hidden until the folder is renamed: all files appear at once.
            hidden = platform.landing / ".burst"
            _write(hidden, arguments.files, arguments.malformed, arguments.rows)
            observed = _follow(platform, hidden, arguments.files + arguments.malformed, arguments.limit)
            settings = platform.settings()
            print(_table(observed, settings))


@dataclass
class _Observed:
    total: int
    seconds: float = 0.0
    settled: int = 0
    failed: int = 0
    trips: int = 0
    most_partitions: int = 0
    settled_at: list[tuple[float, int]] = field(default_factory=list)


def _write(folder: Path, files: int, malformed: int, rows: int) -> None:
    rng = random.Random(1)
    folder.mkdir()
    for number in range(files):
        lines = [
            f"{rng.choice(_REGIONS)},POINT ({7.6 + rng.random() / 10:.5f} {45.0 + rng.random() / 10:.5f}),"
            f"POINT ({7.6 + rng.random() / 10:.5f} {45.0 + rng.random() / 10:.5f}),"
            f"2018-05-{rng.randint(1, 31):02} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00,bench\n"
            for _ in range(rows)
        ]
        (folder / f"{number:06}.csv").write_text(_HEADER + "".join(lines))
    for number in range(malformed):
        place = number * max(files // max(malformed, 1), 1)
        (folder / f"{place:06}-malformed.csv").write_text(f"region,when\nTurin,{number}\n")


def _follow(platform: RunningPlatform, hidden: Path, total: int, limit: float) -> _Observed:
    settings = platform.settings()
    observed = _Observed(total)
    with (
        psycopg.connect(conninfo(settings["SHIFTS_DATABASE_URL"]), autocommit=True) as trips,
        psycopg.connect(conninfo(settings["SHIFTS_DAGSTER_DATABASE_URL"]), autocommit=True) as dagster,
    ):
        begun = time.monotonic()
        hidden.rename(platform.landing / "burst")
        while observed.settled < total and observed.seconds < limit:
            time.sleep(_POLL_S)
            observed.settled, observed.failed, observed.trips = trips.execute(
                "SELECT count(*) FILTER (WHERE status NOT IN ('queued', 'loading')),"
                " count(*) FILTER (WHERE status = 'failed'), coalesce(sum(rows_loaded), 0)::bigint"
                " FROM shifts_store.trip_files"
            ).fetchall()[0]
            (held,) = dagster.execute(
                "SELECT count(*) FROM dynamic_partitions WHERE partitions_def_name = 'trip_files'"
            ).fetchall()[0]
            observed.most_partitions = max(observed.most_partitions, held)
            observed.seconds = time.monotonic() - begun
            observed.settled_at.append((observed.seconds, observed.settled))
            print(f"{observed.seconds:7.1f} s {observed.settled:7,} settled {held:7,} partitions", flush=True)
    return observed


def _table(observed: _Observed, settings: dict[str, str]) -> str:
    first = next((seconds for seconds, settled in observed.settled_at if settled), 0.0)
    ticks, runs, events = _of_dagster(settings)
    return (
        f"\n### {observed.total:,} tiny files at once\n\n{machine(conninfo(settings['SHIFTS_DATABASE_URL']))}.\n\n"
        "| files settled | failed | trips | seconds | files/s | first file after s | most partitions"
        " | runs | Dagster's events |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        f"| {observed.settled:,} | {observed.failed:,} | {observed.trips:,} | {observed.seconds:.0f}"
        f" | {observed.settled / observed.seconds:.0f} | {first:.0f} | {observed.most_partitions:,}"
        f" | {runs:,} | {events:,} |\n\n"
        + "\n".join(
            f"Ticks of `{name}` that found work: {len(seconds)}, median {median(seconds):.2f} s,"
            f" longest {max(seconds):.2f} s."
            for name, seconds in ticks.items()
            if seconds
        )
    )


def _of_dagster(settings: dict[str, str]) -> tuple[dict[str, list[float]], int, int]:
    """Seconds of the ticks that found work by sensor, load runs, and events of all runs."""
    with psycopg.connect(conninfo(settings["SHIFTS_DAGSTER_DATABASE_URL"])) as connection:
        ticks: dict[str, list[float]] = {name: [] for name in _SENSORS}
        for (body,) in connection.execute("SELECT tick_body FROM job_ticks"):
            tick = json.loads(body)
            name, reason = tick.get("instigator_name") or tick.get("job_name"), tick.get("skip_reason") or ""
            found = tick.get("run_ids") or ("new" in reason and ", 0 new" not in reason)
            if name in ticks and found and tick.get("end_timestamp"):
                ticks[name].append(tick["end_timestamp"] - tick["timestamp"])
        (runs,) = connection.execute(
            "SELECT count(*) FROM runs WHERE pipeline_name = 'load_trip_files'"
        ).fetchall()[0]
        (events,) = connection.execute("SELECT count(*) FROM event_logs").fetchall()[0]
    return ticks, runs, events
