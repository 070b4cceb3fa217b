"""Measures many small (region, week) pairs: queries while the API reads tiles ahead, and afterwards."""

import argparse
import itertools
import time
from contextlib import ExitStack

import numpy as np
import psutil

from bench.pairs_data import fill_pairs
from bench.server import machine, measured_server
from bench.stats_boxes import BoxQuery
from bench.stats_methods import Client, service_process

_SECONDS = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--regions", type=int, default=140, help="(default: %(default)s)")
    parser.add_argument("--weeks", type=int, default=520, help="weeks of each region (default: %(default)s)")
    parser.add_argument(
        "--trips", type=int, default=50, help="mean number of trips of each pair (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints the table."""
    with measured_server() as (environment, folder), ExitStack() as stack:
        url = environment["SHIFTS_DATABASE_URL"]
        fill_pairs(url, arguments.regions, arguments.weeks, arguments.trips)
        process, port = stack.enter_context(service_process(environment, folder / "api.log"))
        watched = psutil.Process(process.pid)
        queries = _random_boxes(arguments.regions, seed=1)
        client = Client(port)
        first, busy = _ask_for(client, queries, _SECONDS, watched)
        afterwards = [_ask(client, query) for query in queries]
        print(f"\n### {arguments.regions} regions × {arguments.weeks} weeks\n\n{machine(url)}.\n")
        print("| when | requests | p50 | p95 | worst |\n|---|--:|--:|--:|--:|")
        for name, times in (
            ("first minute after the start", first),
            ("after that, every region", afterwards),
        ):
            p50, p95 = np.quantile(times, [0.5, 0.95])
            figures = " | ".join(f"{1000 * figure:,.1f} ms" for figure in (p50, p95, max(times)))
            print(f"| {name} | {len(times):,} | {figures} |")
        resident = watched.memory_info().rss / 2**20
        print(
            f"\nThe API used {busy:.1f} s of CPU time in the first minute and {resident:,.0f} MiB of memory."
        )


def _random_boxes(regions: int, seed: int) -> list[BoxQuery]:
    """Three boxes in each region."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(3 * regions):
        (west, east), (south, north) = np.sort(rng.normal([7.65, 45.05], 0.05, (2, 2)), axis=0).T.tolist()
        region = number % regions + 1
        found.append(BoxQuery(f"Region {region}", region, west, south, east, north, 0))
    return found


def _ask_for(
    client: Client, queries: list[BoxQuery], seconds: float, process: psutil.Process
) -> tuple[list[float], float]:
    """Seconds of each answer at about ten requests per second, and the CPU time of the API."""
    begun, times = time.perf_counter(), []
    for query in itertools.cycle(queries):
        if time.perf_counter() - begun > seconds:
            break
        times.append(_ask(client, query))
        time.sleep(0.1)
    used = process.cpu_times()
    return times, used.user + used.system


def _ask(client: Client, query: BoxQuery) -> float:
    begun = time.perf_counter()
    client.ask(query)
    return time.perf_counter() - begun
