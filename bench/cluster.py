"""Grouping one bin: ours, compact groups and all, against scikit-learn's DBSCAN alone; and how good groups are."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psutil

from bench.cluster_bins import generated_bin, stacked_bin, station_bin
from bench.cluster_database import print_database
from bench.cluster_quality import print_quality
from bench.cluster_ways import Bin, Grouping, ours, scikit_learn
from bench.load_ways import measure
from bench.server import machine

_SIZES = (20_000, 100_000, 280_000, 300_000)
_INDEX_BYTES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes, patience and a file of real trips."""
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=_SIZES, help="of the generated bins (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="medians are shown (default: %(default)s)")
    parser.add_argument(
        "--file",
        type=Path,
        help="real trips (.csv, .csv.gz): how good the groups are, and from database to database",
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints the tables."""
    with tempfile.TemporaryDirectory(prefix="shifts-bench-") as name:
        folder = Path(name)
        _say("making the bins")
        bins = [generated_bin(folder, trips) for trips in arguments.sizes]
        bins += [stacked_bin(folder), station_bin(folder)]
        lines = [_line(work, folder, arguments.repeats) for work in bins]
    _say("")
    print(f"\n### Grouping one bin\n\n{machine()}; medians of {arguments.repeats}.\n")
    print("| one bin | ours, s | DBSCAN, s | ours is | ours, peak | DBSCAN, peak | ours takes | grouped |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    print("\n".join(lines))
    print(
        "\nOurs is all of it, window and compact groups included; DBSCAN is scikit-learn's alone, same eps and"
        " least number. Peaks are of the whole process; in brackets what it took beyond interpreter, libraries"
        " and the trips."
    )
    if arguments.file is not None:
        print_quality(arguments.file, _say)
        print_database(arguments.file, _say)


def _line(work: Bin, folder: Path, repeats: int) -> str:
    free = psutil.virtual_memory().available
    needed = work.neighbours * _INDEX_BYTES
    fits = needed < free
    runs: dict[Callable[[Bin], Grouping], list[Grouping]] = {ours: [], **({scikit_learn: []} if fits else {})}
    # In turns, so that a slow minute of the machine does not fall to one way alone.
    for repeat in range(repeats):
        for way, found in runs.items():
            _say(f"{work.name}, {repeat + 1} of {repeats}: {way.__name__}")
            found.append(measure(way, work, folder / "worker.log"))
    seconds, memory, beyond = _medians(runs[ours])
    cells = [work.name, f"{seconds:.2f}"]
    if fits:
        their_seconds, their_memory, their_beyond = _medians(runs[scikit_learn])
        cells += [f"{their_seconds:.2f}", f"{their_seconds / seconds:.1f} ×"]
        peaks = [f"{their_memory:,.0f} MiB (+{their_beyond:,.0f})", f"{memory / their_memory:.0%}"]
    else:
        cells += ["does not fit", ""]
        peaks = [f"needs {needed / 2**30:,.0f} GiB for neighbours", ""]
    cells += [f"{memory:,.0f} MiB (+{beyond:,.0f})", *peaks, f"{runs[ours][0].share:.0%}"]
    return f"| {' | '.join(cells)} |"


def _medians(runs: list[Grouping]) -> tuple[float, float, float]:
    """Seconds, peak memory and how much of it is beyond what was there before, both in MiB."""
    return (
        median(run.seconds for run in runs),
        median(run.peak_bytes for run in runs) / 2**20,
        median(run.peak_bytes - run.before_bytes for run in runs) / 2**20,
    )


def _say(what: str) -> None:
    """Where the run is, on a line that is written over."""
    print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)
