"""What `SHIFTS_MIN_COUNT` costs: a refresh, the size of tiles, and boxes counted exactly and from cells."""

import argparse
import sys
import time
from functools import partial
from statistics import median, quantiles

import numpy as np
import psycopg

from bench.server import machine, measured_server
from bench.stats_boxes import random_boxes
from bench.stats_data import load
from bench.stats_methods import Client, read_ahead, service
from shifts_core.tiles.build import build_tiles
from shifts_core.time_filter import minutes_of_week
from shifts_pipeline.storage.cell_tables import build_cells, write_cells
from shifts_pipeline.storage.region_week import read_pair, replace_derived
from shifts_pipeline.storage.stale_pairs import adopt_min_count
from shifts_pipeline.storage.tile_tables import merge_segments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--rows", type=int, default=2_000_000, help="trips (default: %(default)s)")
    parser.add_argument("--boxes", type=int, default=1_000, help="(default: %(default)s)")
    parser.add_argument("--min-count", type=int, default=10, help="(default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Loads trips, measures and prints the tables."""
    with measured_server() as (environment, folder):
        url = environment["SHIFTS_DATABASE_URL"]
        load(url, folder, arguments.rows, _say)
        print(f"\n### Cells of {arguments.min_count}, {arguments.rows:,} trips\n\n{machine(url)}.\n")
        _refresh(url, arguments.min_count)
        boxes = random_boxes(url, arguments.boxes, seed=2)
        with (
            service(environment, folder / "exact.log") as exact,
            service(
                environment | {"SHIFTS_MIN_COUNT": str(arguments.min_count)}, folder / "cells.log"
            ) as cells,
        ):
            clients = {"exact": Client(exact), "from cells": Client(cells)}
            for port in (exact, cells):
                read_ahead(port)
            seconds: dict[str, list[float]] = {name: [] for name in clients}
            totals: dict[str, list[int]] = {name: [] for name in clients}
            for box in [*boxes[:50], *boxes]:
                for name, client in clients.items():
                    begun = time.perf_counter()
                    counts = client.ask(box)
                    seconds[name].append(time.perf_counter() - begun)
                    totals[name].append(sum(counts.values()))
        print("\n| `/trips/weekly`, in turns | p50 | p95 | worst |\n|---|--:|--:|--:|")
        for name, measured in seconds.items():
            each = [1000 * value for value in measured[50:]]
            print(
                f"| {name} | {median(each):.2f} ms | {quantiles(each, n=20)[-1]:.2f} ms | {max(each):.1f} ms |"
            )
        shares = np.array([box.share for box in boxes])
        right, found = (np.array(totals[name][50:], float) for name in ("exact", "from cells"))
        print("\n| boxes with so many of a region's trips | median error of the total |\n|---|--:|")
        for low, high in ((1e-4, 1e-3), (1e-3, 1e-2), (1e-2, 1e-1), (1e-1, 1.0)):
            chosen = (shares >= low) & (shares < high) & (right > 0)
            error = np.median(np.abs(found - right)[chosen] / right[chosen])
            print(f"| {low:.2%} to {high:.1%} | {error:.1%} |")


def _refresh(url: str, min_count: int) -> None:
    """Refreshes every pair twice, without and with cells, and prints the largest pair and the sum."""
    with psycopg.connect(url, autocommit=True) as connection:
        pairs = connection.execute(
            "SELECT region, week FROM shifts_store.stale_weeks ORDER BY 1, 2"
        ).fetchall()
    rows: list[tuple[int, float, float, float]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        adopt_min_count(connection, min_count)
        for region, week in pairs:
            begun = time.perf_counter()
            pair = read_pair(connection, region, week, with_files=True)
            assert pair is not None
            read = time.perf_counter()
            cells = build_cells(pair, min_count)
            built = time.perf_counter()
            tiles = list(build_tiles(pair.ends.copy(), minutes_of_week(pair.moments)))
            segment = [] if pair.unmerged else tiles
            replace_derived(connection, pair, "aggregates", partial(merge_segments, pair, segment))
            merged = time.perf_counter()
            replace_derived(connection, pair, "aggregates", partial(write_cells, pair, cells, min_count))
            done = time.perf_counter()
            without = read - begun + merged - built
            rows.append((len(pair.trip_ids), without, built - read, done - merged))
        connection.execute("ANALYZE")
        sizes = connection.execute(
            "SELECT pg_total_relation_size('shifts_store.weekly_trip_tiles'),"
            " pg_total_relation_size('shifts_store.cell_tiles'),"
            " (SELECT sum(cells_trips) FROM shifts_store.region_weeks)"
        ).fetchone()
    assert sizes is not None
    trips = sum(row[0] for row in rows)
    print("| aggregates of | read, build and write tiles | build cells | write cells |\n|---|--:|--:|--:|")
    for name, chosen in (("the largest pair", [max(rows)]), ("all pairs", rows)):
        count, *each = (sum(column) for column in zip(*chosen, strict=True))
        print(f"| {name}, {count:,} trips | " + " | ".join(f"{value:.1f} s" for value in each) + " |")
    print(
        f"\nTiles take {sizes[0] / 2**20:,.0f} MiB, those of cells {sizes[1] / 2**20:,.0f} MiB."
        f" {trips - sizes[2]:,} trips are in no cell."
    )


def _say(what: str) -> None:
    print(what, file=sys.stderr)
