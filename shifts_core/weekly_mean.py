"""The divisor of a weekly mean: which weeks count. Pure functions on dates."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Literal

from shifts_core.calendar import ONE_WEEK, monday_of

Weeks = Literal["active", "span", "full"]


def divisor(
    weeks: Weeks,
    trips: Mapping[date, int],
    span: tuple[datetime, datetime] | None,
    first_week: date | None = None,
    last_week: date | None = None,
) -> int:
    """The number of weeks that a mean divides by.

    Args:
        weeks: `active` counts weeks with a matching trip; `span` all weeks from the region's first to its
            last; `full` the same without first and last where the trips do not reach from Monday to Sunday.
        trips: matching trips by Monday.
        span: the region's first and last trip; None without trips.
        first_week: the request's first Monday.
        last_week: the request's last Monday.
    """
    if weeks == "active":
        return sum(1 for count in trips.values() if count)
    limits = week_limits(weeks, span, first_week, last_week)
    return max(0, (limits[1] - limits[0]).days // 7 + 1) if limits else 0


def week_limits(
    weeks: Weeks, span: tuple[datetime, datetime] | None, first_week: date | None, last_week: date | None
) -> tuple[date, date] | None:
    """First and last Monday that can count; None when no week can."""
    if span is None:
        return None
    first, last = monday_of(span[0].date()), monday_of(span[1].date())
    if weeks == "full":
        first += ONE_WEEK * (span[0].date() != first)
        last -= ONE_WEEK * (span[1].date() != last + timedelta(days=6))
    first, last = max(first, first_week or first), min(last, last_week or last)
    return (first, last) if first <= last else None
