"""`shifts backtest`: how well shifts made from earlier weeks alone fit the next week."""

from datetime import date
from pathlib import Path

import click
import psycopg
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from shifts_core.calendar import ONE_WEEK, week_number
from shifts_core.shifts.backtest import Fit
from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.parameters import ShiftParameters
from shifts_pipeline.settings import PipelineSettings
from shifts_pipeline.storage.region_week import read_pair
from shifts_pipeline.storage.shifts.trips import MakingTrips, WeekTrips
from shifts_platform.backtesting.plot import plot_backtest
from shifts_platform.backtesting.report import backtest_table, to_frame
from shifts_platform.backtesting.run import METHODS, BacktestOptions
from shifts_platform.backtesting.run import backtest as run_backtest
from shifts_platform.errors import PlatformError
from shifts_platform.loaded_weeks import (
    connected,
    database_url,
    largest_region,
    parse_week_option,
    report_name,
    trips_per_week,
)


@click.command()
@click.option("--region", help="Name of the region.  [default: the one with the most trips]")
@click.option("--week", help="ISO week (2018-W22) or one of its days.  [default: the newest]")
def backtest(region: str | None, week: str | None) -> None:
    """Show how well shifts made from earlier weeks alone fit a week.

    Tests them on the trips of the week, beside the clusters of the week before and the clusters of the week itself,
    which are known only afterwards. Changes nothing; writes backtest-REGION-WEEK.csv and .png to the current folder.
    """
    monday = parse_week_option(week)
    url, options = database_url(), _current_options()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        with connected(url) as connection:
            region = region or largest_region(connection)
            weeks = trips_per_week(connection, region)
            tested, known = _choose_weeks(region, weeks, monday, options.weeks)
            trips = _read_trips(connection, region, [*known, tested], bars)
        fits = _test(trips, tested, options, bars)
    frame = to_frame(fits)
    title = f"{region} {tested:%G-W%V}, {weeks[tested]:,} trips; shifts from {known[0]:%G-W%V} to {known[-1]:%G-W%V}"
    Console(highlight=False).print(backtest_table(frame, title))
    name = report_name("backtest", region, tested)
    table, plot = Path(f"{name}.csv"), Path(f"{name}.png")
    try:
        table.write_text(frame.to_csv(index=False, float_format="%.6g"), encoding="utf-8")
        plot.write_bytes(plot_backtest(frame, title))
    except OSError as error:
        raise PlatformError(f"{name}: {error.strerror or error}") from None
    click.echo(f"written to {table} and {plot}")


def _current_options() -> BacktestOptions:
    settings = PipelineSettings()
    return BacktestOptions(
        settings.shift_weeks,
        ShiftParameters(
            max_radius_m=settings.cluster_max_radius_m,
            window_minutes=settings.time_bin_minutes,
            min_riders=settings.shift_min_riders,
        ),
        settings.cluster_eps_m,
        settings.cluster_min_trips,
    )


def _choose_weeks(
    region: str, weeks: dict[date, int], monday: date | None, history: int
) -> tuple[date, list[date]]:
    """Return the week to test and those of its history that have trips."""
    tested = monday or max(weeks)
    if tested not in weeks:
        raise PlatformError(
            f"{region} has no trips in {tested:%G-W%V}: its weeks go from {min(weeks):%G-W%V} to {max(weeks):%G-W%V}"
        )
    known = [week for week in sorted(weeks) if tested - history * ONE_WEEK <= week < tested]
    if not known:
        raise PlatformError(
            f"{region} has no trips in the {history} weeks before {tested:%G-W%V} to make shifts from"
        )
    return tested, known


def _read_trips(
    connection: psycopg.Connection, region: str, weeks: list[date], bars: Progress
) -> TripHistory:
    bar = bars.add_task("reading trips", total=len(weeks))
    found = []
    for week in weeks:
        pair = read_pair(connection, region, week)
        if pair is not None:
            found.append(WeekTrips.of(pair))
        bars.advance(bar)
    return MakingTrips.of(found).history


def _test(trips: TripHistory, week: date, options: BacktestOptions, bars: Progress) -> list[Fit]:
    bar = bars.add_task(f"testing {METHODS[0]}", total=len(METHODS))
    fits: list[Fit] = []
    following = [f"testing {method}" for method in METHODS[1:]] + ["testing"]
    for found, description in zip(run_backtest(trips, week_number(week), options), following, strict=True):
        fits += found
        bars.update(bar, advance=1, description=description)
    return fits
