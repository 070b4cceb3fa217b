"""Loads a file of generated trips with the asset, psql's \\copy, pandas and row-wise INSERT, in one run."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.load_files import empty, write_file, write_files
from bench.load_methods import (
    Measured,
    Work,
    insert_prepared,
    insert_row_by_row,
    load_with_asset,
    measure,
    pandas_to_sql,
    psql_copy,
    stored_rows,
)
from bench.server import machine, measured_server

Method = Callable[[Work], Measured]
METHODS: dict[str, tuple[Method, int]] = {
    "Shifts, the asset `raw_trips`": (load_with_asset, 1),
    "`psql \\copy` of the table's own columns": (psql_copy, 1),
    "`pandas.to_sql`": (pandas_to_sql, 40),
    "`INSERT` row by row": (insert_row_by_row, 100),
    "`INSERT` row by row, server-side prepared": (insert_prepared, 100),
}
"""Each method, and the divisor of its number of rows: slow methods load a part of the file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of a file (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="the table shows medians (default: %(default)s)"
    )
    parser.add_argument(
        "--only-ours", action="store_true", help="skip the alternatives, which take too long for large files"
    )
    parser.add_argument(
        "--files",
        type=int,
        help="load this many files one after the other into a growing table, with Shifts only",
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    with measured_server() as (environment, folder):
        if arguments.files:
            table = _pairs_files(environment, folder, arguments.rows, arguments.files)
        else:
            table = _compared(environment, folder, arguments)
        _say("")
        print(table)


def _compared(environment: dict[str, str], folder: Path, arguments: argparse.Namespace) -> str:
    methods = {
        name: method
        for name, method in METHODS.items()
        if method[0] is load_with_asset or not arguments.only_ours
    }
    found: dict[str, list[Measured]] = {name: [] for name in methods}
    sizes = {name: max(arguments.rows // divisor, 1) for name, (_, divisor) in methods.items()}
    _say("writing the files")
    write = write_file if arguments.only_ours else write_files
    works = {size: write(environment, folder, size) for size in set(sizes.values())}
    # In turns, so that a slow minute of the machine affects all methods.
    for repeat in range(arguments.repeats):
        for name, (method, _) in methods.items():
            _say(f"{repeat + 1} of {arguments.repeats}: {name}")
            work = works[sizes[name]]
            empty(work.url)
            measured = measure(method, work, folder / "worker.log")
            if measured.rows != sizes[name]:
                raise RuntimeError(f"{name}: {measured.rows:,} rows were loaded of {sizes[name]:,}")
            found[name].append(measured)
    run_seconds = median(measured.run_seconds for measured in next(iter(found.values())))
    return (
        f"\n### Loading {arguments.rows:,} trips\n\n{machine(work.url)}; medians of {arguments.repeats}.\n\n"
        f"{_table(found)}\n\nThe whole run, including what follows the commit (checks, plots, Dagster's events):"
        f" {run_seconds:.2f} s."
    )


def _pairs_files(environment: dict[str, str], folder: Path, rows: int, files: int) -> str:
    found: list[Measured] = []
    lines = ["| file | seconds | rows/s | peak memory of the loader |", "|--:|--:|--:|--:|"]
    for number in range(files):
        _say(f"{number + 1} of {files}: writing {rows:,} trips")
        work = write_file(environment, folder, rows, number)
        _say(f"{number + 1} of {files}: loading")
        found.append(one := measure(load_with_asset, work, folder / "worker.log"))
        # Limits the disk space to the table and one file.
        work.file.unlink()
        if one.rows != rows:
            raise RuntimeError(f"{one.rows:,} rows were loaded of {rows:,}")
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
        f"From file to committed rows {seconds:.0f} s in total, {rows * files / seconds:,.0f} rows/s; the runs"
        f" including what follows the commits {runs:.0f} s. The table holds {stored:,} rows."
    )


def _table(found: dict[str, list[Measured]]) -> str:
    ours = median(measured.rows_per_second for measured in next(iter(found.values())))
    lines = [
        "| file to committed rows | rows | seconds | rows/s | Shifts is | peak memory of the loader |",
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
    """Shows progress on one line."""
    print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)
