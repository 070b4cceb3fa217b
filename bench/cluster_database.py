"""Clustering from database to database: a run of the asset `trip_clusters` on a temporary server."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.load_methods import Work, load_with_asset, measure, own_peak
from bench.server import machine, measured_server


@dataclass(frozen=True)
class ClusteringRun:
    """Time and memory of a run."""

    seconds: float
    peak_bytes: int
    checks_passed: bool


def print_database(file: Path, show: Callable[[str], None]) -> None:
    """Load the file, cluster all its weeks in one run and print the result."""
    with measured_server() as (environment, folder):
        landing = folder / "landing"
        landing.mkdir()
        work = Work(environment, landing / file.name, landing)
        shutil.copyfile(file, work.file)
        show(f"loading {file.name}")
        loaded = measure(load_with_asset, work, folder / "worker.log")
        show("clustering")
        clustered = measure(_cluster, work, folder / "worker.log")
        show("")
        with psycopg.connect(work.url) as connection:
            row = connection.execute(
                "SELECT count(*), sum(trips), max(radius_m), min(trips),"
                " max((extract(epoch FROM latest_time - earliest_time)::numeric + 86400) % 86400) / 60,"
                " (SELECT count(*) FROM shifts.cluster_members), count(DISTINCT week) FROM shifts_store.trip_clusters"
            ).fetchone()
        assert row is not None
        clusters, trips, radius, smallest, minutes, members, weeks = row
        print(f"\n### From database to database\n\n{machine(work.url)}.\n")
        print(
            f"{weeks} weeks in one run: {clustered.seconds:.1f} s, peak {clustered.peak_bytes / 2**20:,.0f} MiB;"
            f" {clusters:,} clusters with {trips:,} of {loaded.rows:,} trips ({trips / loaded.rows:.1%}),"
            f" {members:,} member rows; at least {smallest} trips, at most {radius:.1f} m and {minutes:.1f} minutes;"
            f" checks {'passed' if clustered.checks_passed else 'FAILED'}."
        )


def _cluster(work: Work) -> ClusteringRun:
    os.environ.update(work.environment)
    import dagster as dg  # noqa: PLC0415

    from shifts_pipeline.asset_keys import TRIP_CLUSTERS  # noqa: PLC0415
    from shifts_pipeline.definitions import defs  # noqa: PLC0415
    from shifts_pipeline.jobs.run_tags import ONLY_STALE, RANGE_END, RANGE_START  # noqa: PLC0415
    from shifts_pipeline.partitions import WEEKS  # noqa: PLC0415
    from shifts_pipeline.storage.stale_pairs import weeks_with_trips  # noqa: PLC0415

    with psycopg.connect(work.url) as connection:
        weeks = [week.isoformat() for week in weeks_with_trips(connection)]
    tags = {RANGE_START: weeks[0], RANGE_END: weeks[-1], ONLY_STALE: "true"}
    job = defs().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(str(WEEKS.name), weeks)
        start = time.perf_counter()
        run = job.execute_in_process(instance=instance, tags=tags, asset_selection=[TRIP_CLUSTERS])
        seconds = time.perf_counter() - start
    return ClusteringRun(
        seconds, own_peak(), all(check.passed for check in run.get_asset_check_evaluations())
    )
