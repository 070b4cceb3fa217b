"""The divisor of a weekly mean: which weeks it counts."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Literal

from shifts_core.calendar import ONE_WEEK, monday_of

Weeks = Literal["active", "span", "full"]
"""Weeks that a mean divides by.

`active`: weeks with a matching trip. `span`: all weeks from the region's first trip to its last. `full`: the same
without the first and the last week if the region's trips do not reach their Monday and Sunday.
"""
Span = tuple[datetime, datetime]
"""Times of a region's first and last trip."""


def divisor(weeks: Weeks, trips: Mapping[date, int], limits: tuple[date, date] | None) -> int:
    """The number of weeks that a mean divides by.

    Args:
        weeks: which weeks count.
        trips: matching trips by Monday.
        limits: first and last Monday that count, from `week_limits`; None for no week.
    """
    if weeks == "active":
        return sum(1 for count in trips.values() if count)
    return 0 if limits is None else (limits[1] - limits[0]).days // 7 + 1


def week_limits(
    weeks: Weeks, span: Span | None, first_week: date | None = None, last_week: date | None = None
) -> tuple[date, date] | None:
    """The first and the last Monday whose weeks count; None if no week does.

    Args:
        weeks: which weeks count.
        span: of the region; None if it has no trips.
        first_week: the first Monday of the request; None for no limit.
        last_week: the last Monday of the request; None for no limit.
    """
    if span is None:
        return None
    first, last = monday_of(span[0].date()), monday_of(span[1].date())
    if weeks == "full":
        first += ONE_WEEK * (span[0].date() != first)
        last -= ONE_WEEK * (span[1].date() != last + timedelta(days=6))
    first, last = max(first, first_week or first), min(last, last_week or last)
    return (first, last) if first <= last else None
