"""`shifts tune`: what other choices of eps, min_trips and max_radius would make of a region's week."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from shifts_core.calendar import parse_week
from shifts_core.clustering.clusters import Similarity
from shifts_pipeline.settings import PipelineSettings
from shifts_pipeline.storage.region_week import PairTrips, read_pair
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import load_settings
from shifts_platform.tuning.plot import draw_sweep
from shifts_platform.tuning.sweep import Outcome, grid, sweep, to_csv

_EPS_M = (250.0, 500.0, 707.0, 1_000.0)
_MIN_TRIPS = (3, 5, 10)
_MAX_RADIUS_M = (250.0, 500.0, 1_000.0)
_DAY_US = 86_400_000_000
_NAMES_SHOWN = 10

Number = TypeVar("Number", int, float)


@click.command()
@click.option("--region", required=True, help="Name of the region.")
@click.option("--week", help="ISO week (2018-W22) or one of its days (2018-05-28).  [default: the busiest]")
@click.option("--eps", help="Metres, comma separated.  [default: 250,500,707,1000]")
@click.option("--min-trips", help="Comma separated.  [default: 3,5,10]")
@click.option("--max-radius", help="Metres, comma separated.  [default: 250,500,1000]")
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
    """Show how eps, min_trips and max_radius change the groups of a region.

    Groups the trips of one week anew for every combination, and changes nothing. What is in force is tried too
    unless values are given.
    """
    monday = None if week is None else _monday_of(week)
    url, in_force = _in_force()
    try:
        choices = grid(
            in_force,
            _numbers("--eps", eps, float) or (*_EPS_M, in_force.eps_m),
            _numbers("--min-trips", min_trips, int) or (*_MIN_TRIPS, in_force.min_trips),
            _numbers("--max-radius", max_radius, float) or (*_MAX_RADIUS_M, in_force.max_radius_m),
        )
    except ValueError as error:
        raise PlatformError(str(error)) from None
    trips = _read(url, region, monday)
    name = re.sub(r"[^\w-]+", "-", region)
    target = out or Path(f"tune-{name}-{trips.week:%G-W%V}")
    outcomes = _sweep(trips, choices)
    title = f"{region} {trips.week:%G-W%V}, {len(trips.ends):,} trips, windows of {in_force.window_s / 60:g} minutes"
    Console(highlight=False).print(_table(outcomes, in_force, title))
    table, picture = (target.with_name(target.name + suffix) for suffix in (".csv", ".png"))
    try:
        table.write_text(to_csv(outcomes), encoding="utf-8")
        picture.write_bytes(draw_sweep(outcomes, in_force, title))
    except OSError as error:
        raise PlatformError(f"{target}: {error.strerror or error}") from None
    click.echo(f"written to {table} and {picture}")


def _in_force() -> tuple[str, Similarity]:
    """The address of the database, and what counts as similar."""
    settings = load_settings()
    server = None if settings.database_url else EmbeddedPostgres(settings.data_folder / "postgres")
    environment = environment_of(settings, server)
    pipeline = PipelineSettings(
        database_url=environment["SHIFTS_DATABASE_URL"],
        dagster_database_url=environment["SHIFTS_DAGSTER_DATABASE_URL"],
        landing_url=environment["SHIFTS_LANDING_URL"],
    )
    return pipeline.database_url, Similarity(
        eps_m=pipeline.cluster_eps_m,
        min_trips=pipeline.cluster_min_trips,
        max_radius_m=pipeline.cluster_max_radius_m,
        window_s=60.0 * pipeline.time_bin_minutes,
    )


def _read(url: str, region: str, monday: date | None) -> PairTrips:
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            weeks = _weeks(connection, region)
            trips = read_pair(connection, region, monday or max(weeks, key=lambda week: (weeks[week], week)))
    except psycopg.errors.UndefinedTable:
        raise PlatformError("the database has no tables yet: run `shifts migrate`") from None
    except psycopg.OperationalError:
        raise PlatformError("the platform is not running: start it with `shifts up`") from None
    if trips is None or not len(trips.ends):
        raise PlatformError(
            f"{region} has no trips in {monday:%G-W%V}: its weeks go from {min(weeks):%G-W%V} to {max(weeks):%G-W%V}"
        )
    return trips


def _weeks(connection: psycopg.Connection, region: str) -> dict[date, int]:
    """How many trips each week of the region has."""
    weeks: dict[date, int] = dict(
        connection.execute("SELECT week, trips FROM shifts.weekly WHERE region = %s", [region]).fetchall()
    )
    if not weeks:
        rows = connection.execute("SELECT DISTINCT region FROM shifts.weekly ORDER BY region").fetchall()
        names = [name for (name,) in rows]
        known = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
        raise PlatformError(
            f"no trips of a region {region}: there are {known}" if names else "no trips are loaded yet"
        )
    return weeks


def _sweep(trips: PairTrips, choices: list[Similarity]) -> list[Outcome]:
    outcomes = []
    columns = (TextColumn("grouping"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("grouping", total=len(choices))
        for outcome in sweep(trips.ends, np.asarray(trips.moments % _DAY_US / 1e6), choices):
            outcomes.append(outcome)
            bars.advance(bar)
    return outcomes


def _table(outcomes: list[Outcome], in_force: Similarity, title: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        caption="* in force",
        caption_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for name in (
        "radius m",
        "min trips",
        "eps m",
        "groups",
        "grouped",
        "largest",
        "p50 m",
        "p95 m",
        "max m",
        "s",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        similarity = outcome.similarity
        mark = "*" if similarity == in_force else ""
        table.add_row(
            f"{mark}{similarity.max_radius_m:g}",
            str(similarity.min_trips),
            f"{similarity.eps_m:g}",
            f"{outcome.groups:,}",
            f"{outcome.share:.1%}",
            f"{outcome.largest:,}",
            *(("", "", "") if outcome.radii_m is None else (f"{radius:.0f}" for radius in outcome.radii_m)),
            f"{outcome.seconds:.2f}",
        )
    return table


def _monday_of(text: str) -> date:
    try:
        return parse_week(text)
    except ValueError as error:
        raise PlatformError(f"--week: {error}") from None


def _numbers(option: str, text: str | None, number: Callable[[str], Number]) -> list[Number]:
    try:
        return [] if text is None else [number(word) for word in text.split(",")]
    except ValueError:
        raise PlatformError(f"{option}: {text} are no numbers with commas between them") from None
