"""Many listeners of the feed: delay from an event's commit to the last listener, CPU time and memory of the API."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg

from bench.server import machine, measured_server
from bench.stats_methods import service_process
from tests.integration.api.running import publish

_TYPES = ("run.queued", "run.started", "file.progress", "file.loaded", "run.succeeded")
_SECONDS = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--listeners", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument(
        "--events", type=int, default=100, help="published at even intervals (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=10, help="of publishing (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints the table."""
    with measured_server() as (environment, folder):
        print(f"\n### {arguments.listeners:,} listeners, {arguments.events} events\n")
        print(f"{machine(environment['SHIFTS_DATABASE_URL'])}.\n")
        measure(environment, folder, arguments.listeners, arguments.events, arguments.seconds)


def measure(environment: dict[str, str], folder: Path, listeners: int, events: int, seconds: float) -> None:
    """Prints the table for a running database."""
    limit = {"SHIFTS_API_MAX_LISTENERS": str(listeners)}
    outbox_url = environment["SHIFTS_DAGSTER_DATABASE_URL"].replace("+psycopg2", "")
    with (
        service_process(environment | limit, folder / "api.log") as (process, port),
        psycopg.connect(outbox_url, autocommit=True) as outbox,
        subprocess.Popen(
            [sys.executable, "-m", "bench.lean_listeners"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        assert client.stdin is not None
        assert client.stdout is not None
        api = psutil.Process(process.pid)
        empty = api.memory_info().rss
        options = {"port": port, "listeners": listeners, "events": events, "seconds": _SECONDS}
        begun = time.perf_counter()
        client.stdin.write(json.dumps(options) + "\n")
        client.stdin.flush()
        client.stdout.readline()
        connected = time.perf_counter() - begun
        before = sum(api.cpu_times()[:2])
        next_at = time.perf_counter()
        for number in range(events):
            publish(
                outbox, _TYPES[number % len(_TYPES)], task_ids=("t",), run_id="r", message=f"event {number}"
            )
            next_at += seconds / events
            time.sleep(max(0.0, next_at - time.perf_counter()))
        record = json.loads(client.stdout.readline())
        cpu_s = sum(api.cpu_times()[:2]) - before
        memory = api.memory_info().rss
    print("| | |\n|---|--:|")
    print(f"| commit to listener, median | {1000 * record['p50_s']:,.0f} ms |")
    print(f"| 95th percentile | {1000 * record['p95_s']:,.0f} ms |")
    print(f"| worst | {1000 * record['worst_s']:,.0f} ms |")
    print(f"| listeners with every event | {record['complete']:,} |")
    print(
        f"| CPU time of the API | {cpu_s:.1f} s, {1e6 * cpu_s / listeners / events:.1f} µs a listener and event |"
    )
    print(f"| CPU time of the listeners | {record['cpu_s']:.1f} s |")
    print(
        f"| memory of the API | {memory / 2**20:,.0f} MiB,"
        f" {(memory - empty) / listeners / 2**10:.0f} KiB a listener |"
    )
    print(f"| connecting | {connected:.1f} s |")
