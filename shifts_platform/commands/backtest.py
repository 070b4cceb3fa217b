"""`shifts backtest`: how well shifts made from earlier weeks alone fit the weeks that follow."""

from datetime import date
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from shifts_core.shifts.backtest_week import METHODS, BacktestOptions
from shifts_core.shifts.parameters import ShiftParameters
from shifts_pipeline.backtest_plot import plot_backtest
from shifts_pipeline.settings import PipelineSettings
from shifts_pipeline.storage.shifts.backtest import backtest_weeks, history_of, testable_weeks
from shifts_platform.backtest_report import to_frame, week_table, weeks_table
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
@click.option("--week", help="ISO week (2018-W22) or one of its days.  [default: each that has a history]")
def backtest(region: str | None, week: str | None) -> None:
    """Show how well shifts made from earlier weeks alone fit a week, or each week that has a history.

    Tests them on the trips of the week, beside the clusters of the week before and the clusters of the week itself,
    which are known only afterwards. Changes nothing; writes backtest-REGION.csv and .png, or backtest-REGION-WEEK for
    one week, to the current folder.
    """
    monday = parse_week_option(week)
    url, options = database_url(), _current_options()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    progress = Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    )
    with progress, connected(url) as connection:
        region = region or largest_region(connection)
        trips = trips_per_week(connection, region)
        weeks = sorted(trips)
        tested = _choose_weeks(region, weeks, monday, options)
        bar = progress.add_task("testing", total=len(tested) * len(METHODS))
        found = dict(
            backtest_weeks(connection, region, weeks, tested, options, lambda: progress.advance(bar))
        )
    frame = to_frame(found)
    if monday is None:
        title = f"{region} {tested[0]:%G-W%V} to {tested[-1]:%G-W%V}, {sum(trips[week] for week in tested):,} trips"
        table, name = weeks_table(frame, title), report_name("backtest", region)
    else:
        known = history_of(weeks, monday, options)
        made_from = f"{known[0]:%G-W%V} to {known[-1]:%G-W%V}"
        title = f"{region} {monday:%G-W%V}, {trips[monday]:,} trips; shifts from {made_from}"
        table, name = week_table(frame, title), report_name("backtest", region, monday)
    Console(highlight=False).print(table)
    csv, plot = Path(f"{name}.csv"), Path(f"{name}.png")
    try:
        csv.write_text(frame.to_csv(index=False, float_format="%.6g"), encoding="utf-8")
        plot.write_bytes(plot_backtest(list(found.values()), title))
    except OSError as error:
        raise PlatformError(f"{name}: {error.strerror or error}") from None
    click.echo(f"written to {csv} and {plot}")


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
    region: str, weeks: list[date], monday: date | None, options: BacktestOptions
) -> list[date]:
    """Return the weeks to test."""
    if monday is not None and monday not in weeks:
        raise PlatformError(
            f"{region} has no trips in {monday:%G-W%V}: its weeks go from {weeks[0]:%G-W%V} to {weeks[-1]:%G-W%V}"
        )
    tested = testable_weeks(weeks, options)
    if monday is not None:
        tested = [week for week in tested if week == monday]
    if not tested:
        of_what = "any of its weeks" if monday is None else f"{monday:%G-W%V}"
        raise PlatformError(
            f"{region} has no trips in the {options.weeks} weeks before {of_what} to make shifts from"
        )
    return tested
