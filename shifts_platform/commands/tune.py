"""`shifts tune`: how other values of eps, min_trips and max_radius change the clusters of a region's week."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import click
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.model_selection import ParameterGrid

from shifts_core.clustering.estimator import TripClusterer
from shifts_pipeline.settings import PipelineSettings
from shifts_pipeline.storage.cluster_tables import trip_features
from shifts_pipeline.storage.region_week import PairTrips, read_pair
from shifts_platform.errors import PlatformError
from shifts_platform.loaded_weeks import (
    connected,
    database_url,
    parse_week_option,
    report_name,
    trips_per_week,
)
from shifts_platform.tuning.plot import plot_sweep
from shifts_platform.tuning.report import sweep_table
from shifts_platform.tuning.sweep import parameter_grid, sweep, to_frame

_EPS_M = (250.0, 500.0, 707.0, 1_000.0)
_MIN_TRIPS = (3, 5, 10)
_MAX_RADIUS_M = (250.0, 500.0, 1_000.0)

Number = TypeVar("Number", int, float)


@click.command()
@click.option("--region", required=True, help="Name of the region.")
@click.option("--week", help="ISO week (2018-W22) or one of its days (2018-05-28).  [default: the busiest]")
@click.option("--eps", help="Metres, separated by commas.  [default: 250,500,707,1000]")
@click.option("--min-trips", help="Numbers, separated by commas.  [default: 3,5,10]")
@click.option("--max-radius", help="Metres, separated by commas.  [default: 250,500,1000]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Name of the CSV and the PNG without .csv and .png.  [default: tune-REGION-WEEK]",
)
def tune(
    region: str,
    week: str | None,
    eps: str | None,
    min_trips: str | None,
    max_radius: str | None,
    out: Path | None,
) -> None:
    """Show how eps, min_trips and max_radius change the clusters of a region.

    Clusters the trips of one week with every combination of the values and changes nothing. The defaults include
    the current settings.
    """
    monday = parse_week_option(week)
    url, current = database_url(), _current_clusterer()
    try:
        grid = parameter_grid(
            current,
            _parse_numbers("--eps", eps, float) or (*_EPS_M, current.eps_m),
            _parse_numbers("--min-trips", min_trips, int) or (*_MIN_TRIPS, current.min_trips),
            _parse_numbers("--max-radius", max_radius, float) or (*_MAX_RADIUS_M, current.max_radius_m),
        )
    except ValueError as error:
        raise PlatformError(str(error)) from None
    trips = _read_trips(url, region, monday)
    frame = _sweep(trips, current, grid)
    title = f"{region} {trips.week:%G-W%V}, {len(trips.ends):,} trips, windows of {current.window_s / 60:g} minutes"
    Console(highlight=False).print(sweep_table(frame, current, title))
    target = out or Path(report_name("tune", region, trips.week))
    table, plot = (target.with_name(target.name + suffix) for suffix in (".csv", ".png"))
    try:
        table.write_text(frame.to_csv(index=False, float_format="%.6g"), encoding="utf-8")
        plot.write_bytes(plot_sweep(frame, current, title))
    except OSError as error:
        raise PlatformError(f"{target}: {error.strerror or error}") from None
    click.echo(f"written to {table} and {plot}")


def _current_clusterer() -> TripClusterer:
    pipeline = PipelineSettings()
    return TripClusterer(
        eps_m=pipeline.cluster_eps_m,
        min_trips=pipeline.cluster_min_trips,
        max_radius_m=pipeline.cluster_max_radius_m,
        window_s=60.0 * pipeline.time_bin_minutes,
    )


def _read_trips(url: str, region: str, monday: date | None) -> PairTrips:
    with connected(url) as connection:
        weeks = trips_per_week(connection, region)
        trips = read_pair(connection, region, monday or max(weeks, key=lambda week: (weeks[week], week)))
    if trips is None or not len(trips.ends):
        raise PlatformError(
            f"{region} has no trips in {monday:%G-W%V}: its weeks go from {min(weeks):%G-W%V} to {max(weeks):%G-W%V}"
        )
    return trips


def _sweep(trips: PairTrips, current: TripClusterer, grid: ParameterGrid) -> pd.DataFrame:
    outcomes = []
    columns = (TextColumn("clustering"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("clustering", total=len(grid))
        for outcome in sweep(trip_features(trips), current, grid):
            outcomes.append(outcome)
            bars.advance(bar)
    return to_frame(outcomes)


def _parse_numbers(option: str, text: str | None, number: Callable[[str], Number]) -> list[Number]:
    try:
        return [] if text is None else [number(word) for word in text.split(",")]
    except ValueError:
        raise PlatformError(f"{option}: {text} must be numbers, separated by commas") from None
