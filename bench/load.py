"""Loading a file of generated trips: the asset against psql's \\copy, pandas and row-wise INSERT, in one run."""

import argparse
import sys
from collections.abc import Callable
from statistics import median

from bench.load_files import empty, write_files
from bench.load_ways import (
    Measured,
    Work,
    insert_row_by_row,
    measure,
    pandas_to_sql,
    psql_copy,
    through_the_asset,
)
from bench.server import machine, measured_server

Way = Callable[[Work], Measured]
WAYS: dict[str, tuple[Way, int]] = {
    "the asset `raw_trips`": (through_the_asset, 1),
    "`psql \\copy` of the table's own columns": (psql_copy, 1),
    "`pandas.to_sql`": (pandas_to_sql, 40),
    "`INSERT` row by row": (insert_row_by_row, 100),
}
"""With what the number of rows is divided by: at their speed the whole file would take too long."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Size and patience."""
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the file (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="medians are shown (default: %(default)s)")
    parser.add_argument(
        "--only-ours", action="store_true", help="for sizes at which the others take too long"
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    ways = {name: way for name, way in WAYS.items() if way[0] is through_the_asset or not arguments.only_ours}
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    with measured_server() as (environment, folder):
        sizes = {name: max(arguments.rows // divisor, 1) for name, (_, divisor) in ways.items()}
        _say("writing the files")
        works = {size: write_files(environment, folder, size) for size in set(sizes.values())}
        # In turns, so that a slow minute of the machine does not fall to one way alone.
        for repeat in range(arguments.repeats):
            for name, (way, _) in ways.items():
                _say(f"{repeat + 1} of {arguments.repeats}: {name}")
                work = works[sizes[name]]
                empty(work.url)
                measured = measure(way, work, folder / "worker.log")
                if measured.rows != sizes[name]:
                    raise RuntimeError(f"{name}: {measured.rows:,} rows arrived of {sizes[name]:,}")
                found[name].append(measured)
        _say("")
        print(
            f"\n### Loading {arguments.rows:,} trips\n\n{machine(work.url)}; medians of {arguments.repeats}.\n"
        )
    print(_table(found))


def _table(found: dict[str, list[Measured]]) -> str:
    ours = median(measured.rows_per_second for measured in next(iter(found.values())))
    lines = [
        "| file to committed rows | rows | seconds | rows/s | ours is | peak memory of the loader |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, runs in found.items():
        speed = median(measured.rows_per_second for measured in runs)
        seconds = median(measured.seconds for measured in runs)
        memory = max(measured.peak_bytes for measured in runs) / 2**20
        lines.append(
            f"| {name} | {runs[0].rows:,} | {seconds:.2f} | {speed:,.0f} | {ours / speed:.1f} × | {memory:,.0f} MiB |"
        )
    return "\n".join(lines)


def _say(what: str) -> None:
    """Where the run is, on a line that is written over."""
    print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)
