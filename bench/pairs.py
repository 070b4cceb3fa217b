"""Measures many small (region, week) pairs on a running platform: drop to fresh, and what a user then waits for."""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from bench.pairs_files import write_files
from bench.server import machine
from tests.integration.platform.running import RunningPlatform, new_environment, running_platform

_POLL_S = 1.0
_REPEATS = 3
_STATS = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    partitionStats { numPartitions numMaterialized numFailed numMaterializing } } } }"""
_PARTITIONS = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    partitionKeyConnection(limit: 1000, ascending: false) { results }
    assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions materializingPartitions
        failedPartitions unmaterializedPartitions } } } } }"""
_ASSETS = ("weekly_aggregates", "trip_clusters", "raw_trips")
_SENSORS = ("queued_files", "stale_weeks")
_RESOURCES = ("trips_database", "feed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--regions", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--weeks", type=int, default=20, help="weeks of each region (default: %(default)s)")
    parser.add_argument("--trips", type=int, default=100, help="trips of each pair (default: %(default)s)")
    parser.add_argument("--files", type=int, default=30, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3600, help="stop then (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints the table."""
    with TemporaryDirectory(prefix="shifts-bench-") as name:
        folder = Path(name) / "files"
        environment = new_environment(Path(name) / "platform")
        folder.mkdir()
        # The database server may run as another user.
        Path(name).chmod(0o755)
        write_files(
            folder,
            regions=arguments.regions,
            weeks=arguments.weeks,
            trips=arguments.trips,
            files=arguments.files,
        )
        with running_platform(environment) as platform:
            _measure(platform, folder, arguments)


def _measure(platform: RunningPlatform, folder: Path, arguments: argparse.Namespace) -> None:
    begun = time.monotonic()
    files = _drop(folder, platform.landing)
    rows: list[tuple[str, str]] = []
    deadline = begun + arguments.seconds
    loaded = _await(platform, _OPEN_FILES, files, deadline)
    rows.append((f"{files:,} files loaded, after", f"{loaded - begun:,.0f} s"))
    for sensor, seconds in _ticks(platform).items():
        rows.append((f"a tick of `{sensor}` after loading", _seconds([seconds])))
    fresh = _await(platform, _STALE_PAIRS, 0, deadline)
    ((pairs, trips, stale),) = platform.query(_TOTALS)
    rows.append(
        (
            f"{pairs - stale:,} of {pairs:,} pairs with {trips:,} trips fresh, after",
            f"{fresh - begun:,.0f} s",
        )
    )
    rows += _pages(platform)
    print(f"\n### {arguments.regions:,} regions × {arguments.weeks:,} weeks\n")
    print(f"{machine(platform.settings()['SHIFTS_DATABASE_URL'])}.\n")
    print("| | |\n|---|--:|")
    for label, figure in rows:
        print(f"| {label} | {figure} |")


_OPEN_FILES = (
    "SELECT count(*) FILTER (WHERE status IN ('queued', 'loading')), count(*) FROM shifts_store.trip_files"
)
_STALE_PAIRS = "SELECT count(*), count(*) FROM shifts_store.stale_weeks"
_TOTALS = (
    "SELECT (SELECT count(*) FROM shifts_store.region_weeks),"
    " (SELECT coalesce(sum(trips), 0)::bigint FROM shifts_store.file_week_counts),"
    " (SELECT count(*) FROM shifts_store.stale_weeks)"
)


def _drop(source: Path, landing: Path) -> int:
    files = sorted(source.iterdir())
    for file in files:
        hidden = landing / f".{file.name}"
        hidden.hardlink_to(file)
        hidden.rename(landing / file.name)
    return len(files)


def _await(platform: RunningPlatform, statement: str, at_least: int, deadline: float) -> float:
    """Waits until the first figure of a query is 0 and the second at least a number; returns the time."""
    while time.monotonic() < deadline:
        ((rest, total),) = platform.query(statement)
        if rest == 0 and total >= at_least:
            break
        time.sleep(_POLL_S)
    return time.monotonic()


def _pages(platform: RunningPlatform) -> list[tuple[str, str]]:
    """What a user waits for: pages of the Dagster UI, calls of the API, `shifts status`."""
    rows: list[tuple[str, str]] = []
    for asset in _ASSETS:
        stats = _graphql(platform, _STATS, asset)["partitionStats"]
        for label, query in (("partition counts", _STATS), ("partitions page", _PARTITIONS)):
            times = _times(lambda q=query, a=asset: _graphql(platform, q, a))  # type: ignore[misc]
            rows.append((f"{label} of `{asset}`, {stats['numPartitions']:,} partitions", _seconds(times)))
    region = platform.get("/regions")["regions"][0]["region"]
    for label, call in (
        ("`/regions`", lambda: platform.get("/regions")),
        (
            "`/trips/stats`",
            lambda: platform.get("/trips/stats", region=region, nortest="40,80", southest="-40,20"),
        ),
        ("`shifts status`", lambda: platform.shifts("status")),
    ):
        rows.append((label, _seconds(_times(call))))
    return rows


def _graphql(platform: RunningPlatform, query: str, asset: str) -> dict[str, Any]:
    """The answer of Dagster's webserver about an asset."""
    variables = {"key": {"path": [asset]}}
    answer = httpx.post(
        f"{platform.dagster}/graphql", json={"query": query, "variables": variables}, timeout=300
    )
    node: dict[str, Any] = answer.raise_for_status().json()["data"]["assetNodeOrError"]
    return node


def _ticks(platform: RunningPlatform) -> dict[str, float]:
    """Seconds of work of a tick of each sensor, evaluated here without its wait for notifications."""
    os.environ.update(platform.settings())
    import dagster as dg  # noqa: PLC0415  reads the environment

    from shifts_pipeline.definitions import defs  # noqa: PLC0415
    from shifts_pipeline.sensors import waiting  # noqa: PLC0415

    waiting.WATCH_S = 0.0
    definitions = defs()
    resources = {name: (definitions.resources or {})[name] for name in _RESOURCES}
    found: dict[str, float] = {}
    with dg.DagsterInstance.get() as instance:
        for name in _SENSORS:
            with dg.build_sensor_context(
                instance=instance,
                instance_ref=instance.get_ref(),
                definitions=definitions,
                resources=resources,
            ) as context:
                for _ in range(2):  # the first one opens connections
                    begun = time.perf_counter()
                    definitions.resolve_sensor_def(name).evaluate_tick(context)
                    found[name] = time.perf_counter() - begun
    return found


def _times(call: Callable[[], object]) -> list[float]:
    times: list[float] = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return times


def _seconds(times: Sequence[float]) -> str:
    return (
        f"{np.median(times):.2f} s"
        if len(times) == 1
        else f"{np.median(times):.2f} s (worst {max(times):.2f})"
    )
