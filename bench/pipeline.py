"""Drops large files into a running platform: seconds of each stage, answers in each state, memory and disk."""

import argparse
import csv
import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from numpy.typing import NDArray

from bench import asked_questions, crowd
from bench.asked_boxes import MODES, AskedBoxes, ask
from bench.compared_boxes import ComparedBoxes
from bench.process_memory import ProcessMemory
from bench.server import machine
from bench.stats_boxes import BoxQuery, boxes_around
from shifts_platform.generator.csv_file import csv_blocks
from tests.integration.platform.running import RunningPlatform, new_environment, running_platform

_POLL_S = 0.5
_SAMPLED_LINES = 50_000
_BOXES = 50
_COMPARED_AT_REST = 8
_QUESTIONS, _QUESTIONS_BESIDE = 200, 40
"""Of each kind at rest, and while a replaced file waits for its refresh."""
_CLIENTS, _CROWD_S = 16, 20
_OPEN_FILES = (
    "SELECT count(*) FILTER (WHERE status IN ('queued', 'loading')), count(*) FROM shifts_store.trip_files"
)
_STALE = "SELECT count(*) FILTER (WHERE {}_revision <> revision), 0 FROM shifts_store.region_weeks"
_DISK = """
    SELECT coalesce(p.relname, c.relname), sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
    WHERE c.relnamespace = 'shifts_store'::regnamespace AND c.relkind IN ('r', 'p')
    GROUP BY 1 HAVING sum(pg_total_relation_size(c.oid)) > 10000000 ORDER BY sum(pg_total_relation_size(c.oid)) DESC
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--trips", type=int, default=10_000_000, help="of all files (default: %(default)s)")
    parser.add_argument("--files", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--weeks", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument(
        "--compare", action="store_true", help="compare answers all the time, which takes a core"
    )
    parser.add_argument("--limit", type=float, default=3600, help="seconds of a stage (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints the tables."""
    with TemporaryDirectory(prefix="shifts-bench-") as name:
        # The database server may run as another user.
        Path(name).chmod(0o755)
        files = Path(name) / "files"
        files.mkdir()
        each = arguments.trips // arguments.files
        for number in range(arguments.files + 1):
            with (files / f"trips_{number:03}.csv").open("wb") as file:
                blocks = csv_blocks(each, seed=number, weeks=arguments.weeks, bad_share=0.0)
                file.writelines(text for _, text in blocks)
        with running_platform(new_environment(Path(name) / "platform")) as platform:
            _measure(platform, sorted(files.iterdir()), arguments)


@dataclass
class _Stages:
    platform: RunningPlatform
    limit: float
    begun: float
    rows: list[str]

    def wait(self, what: str, statement: str, at_least: int = 0) -> None:
        """Waits until the first figure of a query is 0 and the second at least a number; adds a row."""
        deadline = time.monotonic() + self.limit
        while time.monotonic() < deadline:
            ((rest, total),) = self.platform.query(statement)
            if rest == 0 and total >= at_least:
                self._add(f"| {what} | {time.monotonic() - self.begun:,.0f} s |")
                return
            time.sleep(_POLL_S)
        self._add(f"| {what} | not within {self.limit:,.0f} s |")

    def _add(self, row: str) -> None:
        self.rows.append(row)
        # A measurement that is interrupted has not been for nothing.
        print(row, file=sys.stderr, flush=True)


def _measure(platform: RunningPlatform, files: Sequence[Path], arguments: argparse.Namespace) -> None:
    *dropped, replacement = files
    samples = _samples(dropped[0])
    boxes = boxes_around(samples, _BOXES, seed=1)
    (_, region), ends = next(iter(samples.items()))
    port = int(platform.environment["SHIFTS_API_PORT"])
    questioned = boxes_around(samples, _QUESTIONS, seed=2)
    stages = _Stages(platform, arguments.limit, time.monotonic(), [])
    busy = psutil.cpu_times()
    with (
        ProcessMemory(lambda: _pids(platform)) as memory,
        AskedBoxes(port, boxes, "loading") as asked,
        ComparedBoxes(platform.query, port, boxes, lambda: asked.state) as compared,
    ):
        if arguments.compare:
            compared.start()
        for file in dropped:
            _drop(file, platform.landing, file.name)
        stages.wait("all files loaded", _OPEN_FILES, len(dropped))
        asked.state = "refreshing"
        stages.wait("aggregates of all pairs fresh", _STALE.format("aggregates"))
        stages.wait("clusters of all pairs fresh", _STALE.format("clusters"))
        stages.wait("shifts of all regions fresh", _STALE.format("shifts"))
        idle = _idle_share(busy)
        asked.state = "replacing a file"
        stages.begun = time.monotonic()
        _drop(replacement, platform.landing, dropped[0].name)
        stages.wait("a file replaced", _OPEN_FILES, len(dropped) + 1)
        asked.state = "refreshing after a replacement"
        asked_questions.store_zones(port, ends, region)
        answers = [*asked_questions.rows(port, questioned[:_QUESTIONS_BESIDE], "after a replacement")]
        stages.wait("all clusters fresh after a replacement", _STALE.format("clusters"))
        stages.wait("all shifts fresh after a replacement", _STALE.format("shifts"))
        asked.state = "at rest"
        time.sleep(_BOXES * len(MODES) * 0.07)
    compared.compare(_COMPARED_AT_REST)
    answers += asked_questions.rows(port, questioned, "at rest")
    print(f"\n### {arguments.trips:,} trips in {len(dropped)} files\n")
    print(f"{machine(platform.settings()['SHIFTS_DATABASE_URL'])}.\n")
    print("| from the drop | |\n|---|--:|", *stages.rows, sep="\n")
    print(f"\nIdle until all pairs were fresh: {idle:.0%} of the cores.\n")
    print("| one client asks for boxes | answers | p50 | p95 | worst | errors |\n|---|--:|--:|--:|--:|--:|")
    print(*(found.row(state) for state, found in asked.by_state.items()), sep="\n")
    print("", asked_questions.HEAD, *answers, sep="\n")
    print("\n| compared with SQL over the trips | equal | different |\n|---|--:|--:|")
    for state in asked.by_state:
        print(f"| {state} | {compared.right[state]} | {compared.wrong[state]} |")
    print(
        f"\nFirst answer after a restart of the API: {1000 * _after_restart(platform, port, boxes[0]):,.0f} ms.\n"
    )
    print(f"{_CLIENTS} clients at another process of the API:\n")
    crowd.measure(platform.settings(), platform.folder, _CLIENTS, _CROWD_S)
    print("\n| peak memory | MiB |\n|---|--:|")
    print(f"| all processes together | {memory.peak_mib:,.0f} |")
    print(*(f"| {role} | {mib:,.0f} |" for role, mib in sorted(memory.peaks_mib.items())), sep="\n")
    print("\n| disk | table, MB | indexes, MB |\n|---|--:|--:|")
    for table, size, indexes in platform.query(_DISK):
        print(f"| `{table}` | {size / 1e6:,.0f} | {indexes / 1e6:,.0f} |")


def _drop(file: Path, landing: Path, name: str) -> None:
    hidden = landing / f".{name}"
    hidden.hardlink_to(file)
    hidden.rename(landing / name)


def _pids(platform: RunningPlatform) -> list[int]:
    """Processes of the platform and of its database server."""
    postmaster = int((platform.folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    server = psutil.Process(postmaster)
    return [*platform.processes(), postmaster, *(child.pid for child in server.children(recursive=True))]


def _idle_share(since: "psutil._ntuples.scputimes") -> float:
    now = psutil.cpu_times()
    passed = sum(now) - sum(since)
    return float((now.idle + now.iowait - since.idle - since.iowait) / passed)


def _samples(file: Path) -> dict[tuple[int, str], NDArray[np.float64]]:
    """The ends of the first trips of each region."""
    found: dict[str, list[tuple[float, ...]]] = {}
    with file.open(newline="") as text:
        for row in itertools.islice(csv.DictReader(text), _SAMPLED_LINES):
            ends = (*_point(row["origin_coord"]), *_point(row["destination_coord"]))
            found.setdefault(row["region"], []).append(ends)
    return {(number, name): np.array(ends) for number, (name, ends) in enumerate(found.items())}


def _point(text: str) -> tuple[float, float]:
    x, y = text.removeprefix("POINT (").removesuffix(")").split()
    return float(x), float(y)


def _after_restart(platform: RunningPlatform, port: int, box: BoxQuery) -> float:
    """Seconds of the first answer after the API was killed and its supervisor has started it again."""
    psutil.Process(platform.pid_of("shifts_api")).kill()
    while True:
        try:
            begun = time.perf_counter()
            if ask(port, box, "both")[0] == 200:
                return time.perf_counter() - begun
        except OSError:
            time.sleep(0.02)
