"""Clustering of one bin: TripClusterer against scikit-learn's DBSCAN alone; and the quality of the clusters."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psutil

from bench.cluster_bins import generated_bin, stacked_bin, station_bin
from bench.cluster_database import print_database
from bench.cluster_methods import Bin, Measurement, dbscan, trip_clusterer
from bench.cluster_quality import print_quality
from bench.load_methods import measure
from bench.server import machine

_SIZES = (20_000, 100_000, 280_000, 300_000)
_INDEX_BYTES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add sizes, repeats and a file of real trips."""
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=_SIZES, help="of the generated bins (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="medians are shown (default: %(default)s)")
    parser.add_argument(
        "--file",
        type=Path,
        help="real trips (.csv, .csv.gz): quality of the clusters, and time from database to database",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory(prefix="shifts-bench-") as name:
        folder = Path(name)
        _show("writing the bins")
        bins = [generated_bin(folder, trips) for trips in arguments.sizes]
        bins += [stacked_bin(folder), station_bin(folder)]
        lines = [_line(work, folder, arguments.repeats) for work in bins]
    _show("")
    print(f"\n### Clustering one bin\n\n{machine()}; medians of {arguments.repeats}.\n")
    print(
        "| one bin | TripClusterer, s | DBSCAN, s | speed-up | TripClusterer, peak | DBSCAN, peak | memory |"
        " clustered |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    print("\n".join(lines))
    print(
        "\nTripClusterer includes validation, time window and compact clusters; DBSCAN is scikit-learn's alone with"
        " the same eps and min_samples. Peaks are of the whole process, in brackets without interpreter, libraries"
        " and trips."
    )
    if arguments.file is not None:
        print_quality(arguments.file, _show)
        print_database(arguments.file, _show)


def _line(work: Bin, folder: Path, repeats: int) -> str:
    free = psutil.virtual_memory().available
    needed = work.neighbours * _INDEX_BYTES
    fits = needed < free
    runs: dict[Callable[[Bin], Measurement], list[Measurement]] = {
        trip_clusterer: [],
        **({dbscan: []} if fits else {}),
    }
    # The methods alternate, so that a slow minute of the machine affects both.
    for repeat in range(repeats):
        for method, found in runs.items():
            _show(f"{work.name}, {repeat + 1} of {repeats}: {method.__name__}")
            found.append(measure(method, work, folder / "worker.log"))
    seconds, memory, beyond = _medians(runs[trip_clusterer])
    cells = [work.name, f"{seconds:.2f}"]
    if fits:
        dbscan_seconds, dbscan_memory, dbscan_beyond = _medians(runs[dbscan])
        cells += [f"{dbscan_seconds:.2f}", f"{dbscan_seconds / seconds:.1f} ×"]
        peaks = [f"{dbscan_memory:,.0f} MiB (+{dbscan_beyond:,.0f})", f"{memory / dbscan_memory:.0%}"]
    else:
        cells += ["does not fit", ""]
        peaks = [f"needs {needed / 2**30:,.0f} GiB for neighbours", ""]
    cells += [f"{memory:,.0f} MiB (+{beyond:,.0f})", *peaks, f"{runs[trip_clusterer][0].share:.0%}"]
    return f"| {' | '.join(cells)} |"


def _medians(runs: list[Measurement]) -> tuple[float, float, float]:
    """Return seconds, peak memory and its increase during clustering, both in MiB."""
    return (
        median(run.seconds for run in runs),
        median(run.peak_bytes for run in runs) / 2**20,
        median(run.peak_bytes - run.before_bytes for run in runs) / 2**20,
    )


def _show(status: str) -> None:
    """Show the status on a line that the next status replaces."""
    print(f"\r\x1b[K{status}", end="", file=sys.stderr, flush=True)
