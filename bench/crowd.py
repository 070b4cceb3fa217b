"""Many clients that ask for boxes at the same time: requests per second, and CPU time per request by process."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import psutil
import psycopg

from bench.lean_client import ask_together
from bench.server import machine, measured_server
from bench.stats_boxes import BoxQuery, random_boxes
from bench.stats_data import load, refresh
from bench.stats_methods import read_ahead, starting_service

_BOXES = 600
_SHARES = {"boxes of up to 1 % of a region": 0.01, "boxes of up to 100 %": 1.0}
_HEAD = (
    "| asked for | answers/s | p50 | p95 | worst | CPU time per answer: API | database | this client |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|"
)
_MODES = ("both", "origin", "destination", "any")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--rows", type=int, default=10_000_000, help="trips (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="of each row (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Loads trips, measures and prints the table."""
    with measured_server() as (environment, folder):
        url = environment["SHIFTS_DATABASE_URL"]
        load(url, folder, arguments.rows, _say)
        refresh(url, _say)
        print(f"\n### {arguments.clients} clients, {arguments.rows:,} trips\n\n{machine(url)}.\n")
        measure(environment, folder, arguments.clients, arguments.seconds)


def measure(environment: dict[str, str], folder: Path, clients: int, seconds: float) -> None:
    """Prints the table for a database that has its trips and tiles."""
    url = environment["SHIFTS_DATABASE_URL"]
    boxes = {label: random_boxes(url, _BOXES, seed=2, largest=share) for label, share in _SHARES.items()}
    lines = []
    with starting_service(environment, folder / "api.log") as (process, port):
        first, from_start = _first_answer(port, _weekly(next(iter(boxes.values())))[0])
        read_ahead(port)
        measured = [psutil.Process(process.pid), _postmaster(url), psutil.Process()]
        for label, queries in boxes.items():
            for path, requests in (("/trips/stats", _stats(queries)), ("/trips/weekly", _weekly(queries))):
                _say(f"{path}, {label}")
                ask_together(port, requests, clients, 1)
                before = [_cpu_s(each) for each in measured]
                times = ask_together(port, requests, clients, seconds)
                spent = [
                    1000 * (_cpu_s(each) - cpu_s) / len(times)
                    for each, cpu_s in zip(measured, before, strict=True)
                ]
                p50, p95, worst = 1000 * np.quantile(times, [0.5, 0.95, 1])
                lines.append(
                    f"| `{path}`, {label} | {len(times) / seconds:,.0f} | {p50:,.0f} ms | {p95:,.0f} ms"
                    f" | {worst:,.0f} ms | {spent[0]:.2f} ms | {spent[1]:.2f} ms | {spent[2]:.2f} ms |"
                )
        memory = measured[0].memory_info().rss / 2**20
    _say("")
    print(_HEAD, *lines, sep="\n")
    print(
        f"\nFirst answer of a new process: {1000 * first:,.0f} ms, {1000 * from_start:,.0f} ms after its start."
        f" Memory of the API: {memory:,.0f} MiB."
    )


def _weekly(boxes: Sequence[BoxQuery]) -> list[bytes]:
    return [
        _get("/trips/weekly", region=box.region, bbox=box.bbox, match=_MODES[number % len(_MODES)])
        for number, box in enumerate(boxes)
    ]


def _stats(boxes: Sequence[BoxQuery]) -> list[bytes]:
    return [
        _get(
            "/trips/stats",
            region=box.region,
            nortest=f"{box.east!r},{box.north!r}",
            southest=f"{box.west!r},{box.south!r}",
        )
        for box in boxes
    ]


def _get(path: str, **parameters: str) -> bytes:
    return f"GET /api/v1{path}?{urlencode(parameters)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _first_answer(port: int, request: bytes) -> tuple[float, float]:
    """Seconds of the first answer of a new process, and from its start to the answer."""
    started = time.perf_counter()
    while True:
        try:
            seconds = ask_together(port, [request], 1, 0.001)[0]
        except ConnectionRefusedError:
            time.sleep(0.005)
        else:
            return seconds, time.perf_counter() - started


def _postmaster(url: str) -> psutil.Process:
    """The parent of all processes of the database server, which runs on this machine."""
    with psycopg.connect(url) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
    assert server is not None
    return server


def _cpu_s(process: psutil.Process) -> float:
    """CPU time of a process and of its children, also of those that have ended; of this process alone."""
    if process.pid == os.getpid():
        return time.process_time()
    cpu_s = float(sum(process.cpu_times()[:4]))
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # ended meanwhile: among its parent's ended children
            cpu_s += sum(child.cpu_times()[:2])
    return cpu_s


def _say(what: str) -> None:
    print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)
