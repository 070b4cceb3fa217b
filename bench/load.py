"""Loading a file of generated trips: the asset against psql's \\copy, pandas and row-wise INSERT, in one run."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.load_files import empty, write_file, write_files
from bench.load_ways import (
    Measured,
    Work,
    insert_prepared,
    insert_row_by_row,
    measure,
    pandas_to_sql,
    psql_copy,
    stored_rows,
    through_the_asset,
)
from bench.server import machine, measured_server

Way = Callable[[Work], Measured]
WAYS: dict[str, tuple[Way, int]] = {
    "the asset `raw_trips`": (through_the_asset, 1),
    "`psql \\copy` of the table's own columns": (psql_copy, 1),
    "`pandas.to_sql`": (pandas_to_sql, 40),
    "`INSERT` row by row": (insert_row_by_row, 100),
    "`INSERT` row by row, prepared by the server": (insert_prepared, 100),
}
"""With what the number of rows is divided by: at their speed the whole file would take too long."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Size and patience."""
    parser.add_argument("--rows", type=int, default=2_000_000, help="of a file (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="medians are shown (default: %(default)s)")
    parser.add_argument(
        "--only-ours", action="store_true", help="for sizes at which the others take too long"
    )
    parser.add_argument(
        "--files", type=int, help="so many files one after the other into a growing table, ours alone"
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    with measured_server() as (environment, folder):
        if arguments.files:
            table = _many_files(environment, folder, arguments.rows, arguments.files)
        else:
            table = _compared(environment, folder, arguments)
        _say("")
        print(table)


def _compared(environment: dict[str, str], folder: Path, arguments: argparse.Namespace) -> str:
    ways = {name: way for name, way in WAYS.items() if way[0] is through_the_asset or not arguments.only_ours}
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    sizes = {name: max(arguments.rows // divisor, 1) for name, (_, divisor) in ways.items()}
    _say("writing the files")
    write = write_file if arguments.only_ours else write_files
    works = {size: write(environment, folder, size) for size in set(sizes.values())}
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
    run_seconds = median(measured.run_seconds for measured in next(iter(found.values())))
    return (
        f"\n### Loading {arguments.rows:,} trips\n\n{machine(work.url)}; medians of {arguments.repeats}.\n\n"
        f"{_table(found)}\n\nThe whole run, with what follows the commit (check, pictures, Dagster's events):"
        f" {run_seconds:.2f} s."
    )


def _many_files(environment: dict[str, str], folder: Path, rows: int, files: int) -> str:
    found: list[Measured] = []
    lines = ["| file | seconds | rows/s | peak memory of the loader |", "|--:|--:|--:|--:|"]
    for number in range(files):
        _say(f"{number + 1} of {files}: writing {rows:,} trips")
        work = write_file(environment, folder, rows, number)
        _say(f"{number + 1} of {files}: loading")
        found.append(one := measure(through_the_asset, work, folder / "worker.log"))
        # The disk holds the table and one file.
        work.file.unlink()
        if one.rows != rows:
            raise RuntimeError(f"{one.rows:,} rows arrived of {rows:,}")
        lines.append(
            f"| {number + 1} | {one.seconds:.1f} | {one.rows_per_second:,.0f} | {one.peak_bytes / 2**20:,.0f} MiB |"
        )
    stored = stored_rows(work.url)
    if stored != rows * files:
        raise RuntimeError(f"{stored:,} rows are in the table, not {rows * files:,}")
    seconds = sum(one.seconds for one in found)
    runs = sum(one.run_seconds for one in found)
    each = "\n".join(lines)
    return (
        f"\n### Loading {rows * files:,} trips in {files} files\n\n{machine(work.url)}.\n\n{each}\n\n"
        f"From file to committed rows {seconds:.0f} s in all, {rows * files / seconds:,.0f} rows/s; the runs with"
        f" what follows the commits {runs:.0f} s. The table holds {stored:,} rows."
    )


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
