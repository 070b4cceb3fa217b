"""Backtests of weeks of a region, whose trips are read week by week."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import psycopg

from shifts_core.calendar import ONE_WEEK, week_number
from shifts_core.shifts.backtest import Fit
from shifts_core.shifts.backtest_week import BacktestOptions, backtest
from shifts_pipeline.storage.region_week import read_pair
from shifts_pipeline.storage.shifts.trips import MakingTrips, WeekTrips


def history_of(weeks: Sequence[date], tested: date, options: BacktestOptions) -> list[date]:
    """The weeks that shifts are made from to be tested on another one, of weeks with trips in order."""
    return [week for week in weeks if tested - options.weeks * ONE_WEEK <= week < tested]


def testable_weeks(weeks: Sequence[date], options: BacktestOptions) -> list[date]:
    """The weeks that have a history before them, of weeks with trips in order."""
    return [week for week in weeks if history_of(weeks, week, options)]


def backtest_weeks(
    connection: psycopg.Connection,
    region: str,
    weeks: Sequence[date],
    tested: Sequence[date],
    options: BacktestOptions,
    on_part: Callable[[], None],
) -> Iterator[tuple[date, list[Fit]]]:
    """Test shifts on weeks of a region, one after the other.

    Args:
        connection: in autocommit mode.
        region: its name.
        weeks: all of its weeks with trips, in order.
        tested: those to test, in order; each has a history.
        options: how shifts and clusters are made.
        on_part: called after each method of each week.
    """
    read: dict[date, WeekTrips] = {}
    for week in tested:
        needed = [*history_of(weeks, week, options), week]
        read = {each: trips for each, trips in read.items() if each in needed}
        for each in needed:
            if each not in read and (pair := read_pair(connection, region, each)) is not None:
                read[each] = WeekTrips.of(pair)
        history = MakingTrips.of([read[each] for each in needed if each in read]).history
        fits: list[Fit] = []
        for method in backtest(history, week_number(week), options):
            fits += method
            on_part()
        yield week, fits
