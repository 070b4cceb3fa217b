"""Many (region, week) pairs with few trips each: every region asked while the service reads ahead, and afterwards."""

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import psutil

from bench.pairs_data import fill_pairs
from bench.server import machine, measured_server
from bench.stats_boxes import Question
from bench.stats_ways import Client, service_process

_SECONDS = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many pairs."""
    parser.add_argument("--regions", type=int, default=140, help="(default: %(default)s)")
    parser.add_argument("--weeks", type=int, default=520, help="of each region (default: %(default)s)")
    parser.add_argument("--trips", type=int, default=50, help="of each pair, about (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    with measured_server() as (environment, folder), ExitStack() as stack:
        url = environment["SHIFTS_DATABASE_URL"]
        fill_pairs(url, arguments.regions, arguments.weeks, arguments.trips)
        process, port = stack.enter_context(service_process(environment, folder / "api.log"))
        watched = psutil.Process(process.pid)
        asked = _questions(arguments.regions, seed=1)
        client = Client(port)
        first, busy = _ask_for(client, asked, _SECONDS, watched)
        one_minute = [_ask(client, question) for question in asked]
        print(f"\n### {arguments.regions} regions × {arguments.weeks} weeks\n\n{machine(url)}.\n")
        print("| asked | questions | p50 | p95 | worst |\n|---|--:|--:|--:|--:|")
        for name, times in (("first minute", first), ("afterwards, every region", one_minute)):
            p50, p95 = np.quantile(times, [0.5, 0.95])
            figures = " | ".join(f"{1000 * figure:,.1f} ms" for figure in (p50, p95, max(times)))
            print(f"| {name} | {len(times):,} | {figures} |")
        resident = watched.memory_info().rss / 2**20
        print(
            f"\nIn the first minute the service used {busy:.1f} s of processor; it holds {resident:,.0f} MiB."
        )


def _questions(regions: int, seed: int) -> list[Question]:
    """Three boxes of each region."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(3 * regions):
        (west, east), (south, north) = np.sort(rng.normal([7.65, 45.05], 0.05, (2, 2)), axis=0).T.tolist()
        region = number % regions + 1
        found.append(Question(f"Region {region}", region, west, south, east, north, 0))
    return found


def _ask_for(
    client: Client, asked: list[Question], seconds: float, process: psutil.Process
) -> tuple[list[float], float]:
    """Seconds of answers while the service is young, about ten questions a second, and its processor time."""
    begun, times = time.perf_counter(), []
    for question in _again_and_again(asked):
        if time.perf_counter() - begun > seconds:
            break
        times.append(_ask(client, question))
        time.sleep(0.1)
    used = process.cpu_times()
    return times, used.user + used.system


def _again_and_again(asked: list[Question]) -> Iterator[Question]:
    while True:
        yield from asked


def _ask(client: Client, question: Question) -> float:
    begun = time.perf_counter()
    client.ask(question)
    return time.perf_counter() - begun
