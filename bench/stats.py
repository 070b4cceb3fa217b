"""Compares `GET /trips/weekly` with the original's SQL, plain PostGIS and DuckDB, on random boxes."""

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

import duckdb
import numpy as np
import psycopg

from bench import asked_questions, stats_questions
from bench.server import machine, measured_server
from bench.stats_boxes import BoxQuery, random_boxes, sample_trips
from bench.stats_data import copy_for_others, load, refresh, sizes
from bench.stats_methods import (
    Client,
    Counts,
    Method,
    duckdb_scan,
    original_sql,
    plain_postgis,
    read_ahead,
    service,
)

_CHECKED = 5
"""Answers that are compared with plain SQL when the other methods are left out."""
_CLIENTS = 16
_SMALL = 0.01


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--rows", type=int, default=2_000_000, help="trips (default: %(default)s)")
    parser.add_argument("--boxes", type=int, default=200, help="random boxes (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=10, help="duration of the load by 16 clients (default: %(default)s)"
    )
    parser.add_argument(
        "--only-ours", action="store_true", help="leave out the other methods, which are slow on large data"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints the table."""
    with measured_server() as (environment, folder), ExitStack() as stack:
        url = environment["SHIFTS_DATABASE_URL"]
        load(url, folder, arguments.rows, _say)
        refresh(url, _say)
        queries = random_boxes(url, arguments.boxes, seed=1)
        port = stack.enter_context(service(environment, folder / "api.log"))
        _say("waiting until the service has read all tiles")
        ahead = read_ahead(port)
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        client = Client(port)
        methods: dict[str, Method] = {"Shifts, `GET /trips/weekly`": client.ask}
        if not arguments.only_ours:
            duck = stack.enter_context(
                duckdb.connect(str(copy_for_others(url, folder, _say)), read_only=True)
            )
            methods["DuckDB, its own table"] = duckdb_scan(duck)
            methods["plain PostGIS, GiST on both ends"] = plain_postgis(connection)
            methods["the original's SQL and table"] = original_sql(connection)
        times, wrong = _measure(methods, queries)
        sample = sample_trips(url, queries[0].region_id)
        asked_questions.store_zones(port, sample, queries[0].region)
        if arguments.only_ours:
            head = asked_questions.HEAD
            lines = [*asked_questions.rows(port, queries, "at rest")]
        else:
            stats_questions.prepare(duck, sample)
            head = stats_questions.HEAD
            lines, differ = stats_questions.rows(port, duck, queries, _say)
            wrong += differ
        if arguments.only_ours:
            wrong = _check(client.ask, queries[:_CHECKED], url)
        rate, slowest = _many_clients(port, random_boxes(url, 500, seed=2, largest=_SMALL), arguments.seconds)
        _say("")
        trips_bytes, tiles_bytes = sizes(url)
        print(f"\n### {arguments.boxes} random boxes of {arguments.rows:,} trips\n\n{machine(url)}.\n")
        print(_table(times, wrong, arguments.only_ours))
        print("", head, *lines, sep="\n")
        print(
            f"\nTiles take {tiles_bytes / 2**20:,.0f} MiB, {tiles_bytes / trips_bytes:.1%} of the trips' table."
            f" {_CLIENTS} concurrent clients with boxes of up to {_SMALL:.0%} of a region's trips,"
            f" {arguments.seconds:.0f} s: {rate:,.0f} answers/s, no error, slowest {1000 * slowest:,.0f} ms."
            f" All tiles were in memory {ahead:.1f} s after the start of the service, before the first query."
        )
    if wrong:
        sys.exit(f"{wrong} answers differ")


def _measure(methods: dict[str, Method], queries: Sequence[BoxQuery]) -> tuple[dict[str, list[float]], int]:
    """Seconds of every answer, and the number of answers that differ; the methods take turns on each box."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    wrong = 0
    for method in methods.values():
        method(queries[0])
    for number, query in enumerate(queries, start=1):
        _say(f"box {number} of {len(queries)}")
        answers: list[Counts] = []
        for name, method in methods.items():
            begun = time.perf_counter()
            answers.append(method(query))
            times[name].append(time.perf_counter() - begun)
        wrong += sum(answer != answers[0] for answer in answers)
    return times, wrong


def _check(ours: Method, queries: Sequence[BoxQuery], url: str) -> int:
    """The number of answers that differ from a count of all trips."""
    statement = """
        SELECT date_trunc('week', started_at)::date::text, count(*) FROM shifts_store.trips
        WHERE region_id = %(region_id)s
          AND ST_X(origin) BETWEEN %(west)s AND %(east)s AND ST_Y(origin) BETWEEN %(south)s AND %(north)s
          AND ST_X(destination) BETWEEN %(west)s AND %(east)s AND ST_Y(destination) BETWEEN %(south)s AND %(north)s
        GROUP BY 1
    """
    with psycopg.connect(url) as connection:
        return sum(
            dict(connection.execute(statement, vars(query)).fetchall()) != ours(query) for query in queries
        )


def _many_clients(port: int, queries: Sequence[BoxQuery], seconds: float) -> tuple[float, float]:
    """Requests per second of all clients together, and seconds of the slowest answer."""
    _say(f"{_CLIENTS} concurrent clients")
    times: list[float] = []
    failed: list[Exception] = []
    end = time.perf_counter() + seconds

    def work(first: int) -> None:
        client = Client(port)
        number = first
        try:
            while (begun := time.perf_counter()) < end:
                client.ask(queries[number % len(queries)])
                times.append(time.perf_counter() - begun)
                number += _CLIENTS
        except Exception as error:  # any: it is raised again in the main thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return len(times) / seconds, max(times)


def _table(times: dict[str, list[float]], wrong: int, only_ours: bool) -> str:
    ours = np.quantile(next(iter(times.values())), [0.5, 0.95])
    lines = [
        "| method | p50 | p95 | worst | Shifts is, p50 | Shifts is, p95 | answers |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    compared = f"{_CHECKED} checked by plain SQL" if only_ours else "compared, all equal"
    for name, seconds in times.items():
        p50, p95 = np.quantile(seconds, [0.5, 0.95])
        lines.append(
            f"| {name} | {1000 * p50:,.1f} ms | {1000 * p95:,.1f} ms | {1000 * max(seconds):,.0f} ms"
            f" | {p50 / ours[0]:,.1f} × | {p95 / ours[1]:,.1f} × | {compared if not wrong else f'{wrong} differ'} |"
        )
    return "\n".join(lines)


def _say(what: str) -> None:
    """Shows progress on one line of the terminal."""
    print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)
