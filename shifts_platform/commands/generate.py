"""`shifts generate`: realistic trips as CSV, to a file or to standard output."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from shifts_platform.errors import PlatformError

if TYPE_CHECKING:
    from shifts_platform.generator.commutes import Commutes

_SUFFIXES = (".csv", ".csv.gz")


@click.command()
@click.option("--trips", required=True, type=click.IntRange(min=1), help="Number of trips.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="The same seed gives the same bytes.",
)
@click.option(
    "--weeks",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of weeks from 2018-04-30 on.",
)
@click.option(
    "--bad-share",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of lines that are corrupted, so that a loader rejects them.",
)
@click.option(
    "--commutes",
    type=click.IntRange(min=1),
    help="Standing commutes in each week, in place of the flows.",
)
@click.option(
    "--churn",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the commutes that ends each week; as many begin.",
)
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .csv file for the commutes of each week.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .csv or .csv.gz file, created when it is complete.  [default: standard output]",
)
def generate(
    trips: int,
    seed: int,
    weeks: int,
    bad_share: float,
    commutes: int | None,
    churn: float,
    truth: Path | None,
    out: Path | None,
) -> None:
    """Write realistic trips of several cities as CSV: half of them commuter flows, half random.

    With --commutes, places last from week to week, times drift by some minutes, and commuters pause on
    holidays.
    """
    if out is not None and not out.name.endswith(_SUFFIXES):
        raise PlatformError(f"{out}: the name must end in .csv or .csv.gz")
    # Loads compiled code, which `shifts generate --help` does not need.
    from shifts_platform.generator.csv_file import csv_blocks  # noqa: PLC0415
    from shifts_platform.generator.trips import plan_commutes  # noqa: PLC0415

    planned = None
    if commutes is not None:
        try:
            planned = plan_commutes(trips, seed=seed, commutes=commutes, churn=churn, weeks=weeks)
        except ValueError as error:
            raise PlatformError(str(error)) from error
        if truth is not None:
            _write_truth(planned, truth)
    elif truth is not None or churn:
        raise PlatformError("--churn and --truth need --commutes")
    blocks = csv_blocks(trips, seed=seed, weeks=weeks, bad_share=bad_share, commutes=planned)
    if out is None:
        _write(blocks, sys.stdout.buffer, trips, shown=not sys.stdout.isatty())
        return
    try:
        with _atomic_file(out) as target:
            _write(blocks, target, trips, shown=True)
    except OSError as error:
        raise PlatformError(f"{out}: {error.strerror or error}") from error
    click.echo(f"{trips:,} trips in {out}")


def _write_truth(commutes: "Commutes", path: Path) -> None:
    from shifts_platform.generator.city import DEFAULT_CITIES  # noqa: PLC0415
    from shifts_platform.generator.commutes import truth_lines  # noqa: PLC0415
    from shifts_platform.generator.trips import DEFAULT_FIRST_WEEK  # noqa: PLC0415

    if path.suffix != ".csv":
        raise PlatformError(f"{path}: the name must end in .csv")
    try:
        with _atomic_file(path) as file:
            for line in truth_lines(commutes, DEFAULT_CITIES, DEFAULT_FIRST_WEEK):
                file.write(line.encode())
    except OSError as error:
        raise PlatformError(f"{path}: {error.strerror or error}") from error


def _write(
    blocks: Iterator[tuple[int, bytes]], target: BinaryIO | gzip.GzipFile, trips: int, *, shown: bool
) -> None:
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as bars:
        bar = bars.add_task("trips", total=trips)
        try:
            for rows, lines in blocks:
                target.write(lines)
                bars.advance(bar, rows)
        except ValueError as error:
            raise PlatformError(str(error)) from error
    target.flush()


@contextmanager
def _atomic_file(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """Open a file that gets its name when it is complete, and is deleted after an error."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            if path.name.endswith(".gz"):
                # Without name and time, so that the same trips give the same bytes.
                with gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
                    yield packed
            else:
                yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
