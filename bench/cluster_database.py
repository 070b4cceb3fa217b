"""A file's trips grouped from database to database, by a run of the asset `trip_clusters` on a server of its own."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.load_ways import Work, measure, own_peak, through_the_asset
from bench.server import machine, measured_server


@dataclass(frozen=True)
class Grouped:
    """What a run took."""

    seconds: float
    peak_bytes: int
    checks_passed: bool


def print_database(file: Path, say: Callable[[str], None]) -> None:
    """Loads the file, groups all its weeks in one run and prints what came of it."""
    with measured_server() as (environment, folder):
        landing = folder / "landing"
        landing.mkdir()
        work = Work(environment, landing / file.name, landing)
        shutil.copyfile(file, work.file)
        say(f"loading {file.name}")
        loaded = measure(through_the_asset, work, folder / "worker.log")
        say("grouping")
        grouped = measure(_group, work, folder / "worker.log")
        say("")
        with psycopg.connect(work.url) as connection:
            row = connection.execute(
                "SELECT count(*), sum(trips), max(radius_m), min(trips),"
                " max((extract(epoch FROM latest_time - earliest_time)::numeric + 86400) % 86400) / 60,"
                " (SELECT count(*) FROM shifts.cluster_members), count(DISTINCT week) FROM shifts_store.trip_clusters"
            ).fetchone()
        assert row is not None
        groups, trips, radius, least, minutes, members, weeks = row
        print(f"\n### From database to database\n\n{machine(work.url)}.\n")
        print(
            f"{weeks} weeks in one run: {grouped.seconds:.1f} s, peak {grouped.peak_bytes / 2**20:,.0f} MiB;"
            f" {groups:,} groups hold {trips:,} of {loaded.rows:,} trips ({trips / loaded.rows:.1%}),"
            f" {members:,} rows of members; smallest {least}, widest {radius:.1f} m and {minutes:.1f} minutes; checks"
            f" {'passed' if grouped.checks_passed else 'FAILED'}."
        )


def _group(work: Work) -> Grouped:
    os.environ.update(work.environment)
    import dagster as dg  # noqa: PLC0415

    from shifts_pipeline.asset_keys import TRIP_CLUSTERS  # noqa: PLC0415
    from shifts_pipeline.definitions import defs  # noqa: PLC0415
    from shifts_pipeline.jobs.run_tags import ONLY_STALE, RANGE_END, RANGE_START  # noqa: PLC0415
    from shifts_pipeline.partitions import REGIONS, to_key  # noqa: PLC0415

    with psycopg.connect(work.url) as connection:
        regions = [
            to_key(name)
            for (name,) in connection.execute(
                "SELECT DISTINCT region FROM shifts.weekly ORDER BY 1"
            ).fetchall()
        ]
        row = connection.execute("SELECT min(week), max(week) FROM shifts.weekly").fetchone()
    assert row is not None
    tags = {RANGE_START: f"{regions[0]}|{row[0]}", RANGE_END: f"{regions[-1]}|{row[1]}", ONLY_STALE: "true"}
    job = defs().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(str(REGIONS.name), regions)
        begun = time.perf_counter()
        run = job.execute_in_process(instance=instance, tags=tags, asset_selection=[TRIP_CLUSTERS])
        seconds = time.perf_counter() - begun
    return Grouped(seconds, own_peak(), all(check.passed for check in run.get_asset_check_evaluations()))
