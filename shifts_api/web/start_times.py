"""The parameters `weekdays`, `time`, `from` and `to`: when the trips start that a request is about."""

from datetime import date
from typing import Annotated, NamedTuple

from fastapi import Depends, Query

from shifts_api.web.errors import ApiError
from shifts_api.web.parameters import WEEK_EXAMPLES, Week
from shifts_core.time_filter import TimeFilter, parse_weekdays, parse_window


class StartTimes(NamedTuple):
    """Which trips a request is about, by their start."""

    times: TimeFilter
    first: date | None
    """Monday of the first week; None without a limit."""
    last: date | None
    """Monday of the last week; None without a limit."""


def parse_start_times(
    weekdays: Annotated[
        str | None,
        Query(
            description="Weekdays on which trips start, of mon, tue, wed, thu, fri, sat, sun, by the local clock.",
            examples=["mon,tue"],
        ),
    ] = None,
    time: Annotated[
        str | None,
        Query(
            description="Half-open window in which trips start, by the local clock, from 00:00 to 24:00. It may cross"
            " midnight; a trip counts on the weekday on which it starts.",
            examples=["06:00-09:30"],
        ),
    ] = None,
    first: Annotated[
        Week | None,
        Query(
            alias="from", description="The first week that counts, or a date in it.", examples=WEEK_EXAMPLES
        ),
    ] = None,
    last: Annotated[
        Week | None,
        Query(alias="to", description="The last week that counts, or a date in it.", examples=WEEK_EXAMPLES),
    ] = None,
) -> StartTimes:
    """The start times of a request.

    Raises:
        ApiError: 400, one is malformed.
    """
    return StartTimes(parse_times(weekdays, time), first, last)


StartTimesParameters = Annotated[StartTimes, Depends(parse_start_times)]


def parse_times(weekdays: str | None, time: str | None) -> TimeFilter:
    """The filter of the parameters `weekdays` and `time`.

    Raises:
        ApiError: 400 if one is malformed.
    """
    name = "weekdays"
    try:
        days = None if weekdays is None else parse_weekdays(weekdays)
        name = "time"
        return TimeFilter(days, None if time is None else parse_window(time))
    except ValueError as error:
        raise ApiError(400, f"{name}: {error}") from None
