"""Weekly means: which weeks count, and what a request's weeks mean. Pure functions on dates."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Literal

Weeks = Literal["active", "span", "full"]
ONE_WEEK = timedelta(weeks=1)
_WEEK_OR_DATE = re.compile(r"(?P<year>\d{4})-(?:W(?P<week>\d\d)|\d\d-\d\d)", re.ASCII)


def monday_of(day: date) -> date:
    """The Monday of a day's ISO week."""
    return day - timedelta(days=day.weekday())


def parse_week(text: str) -> date:
    """The Monday of an ISO week like 2018-W22, or of the week of a date like 2018-05-31.

    Raises:
        ValueError: it is neither, or there is no such week or day; the message says which.
    """
    match = _WEEK_OR_DATE.fullmatch(text)
    if match is None:
        raise ValueError("an ISO week like 2018-W22 or a date like 2018-05-31 is needed")
    try:
        if match["week"]:
            return date.fromisocalendar(int(match["year"]), int(match["week"]), 1)
        return monday_of(date.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ValueError(f"there is no {text}") from None


def weeks_that_count(
    weeks: Weeks,
    trips: Mapping[date, int],
    span: tuple[datetime, datetime] | None,
    first_week: date | None = None,
    last_week: date | None = None,
) -> int:
    """How many weeks a mean divides by.

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
    limits = limits_of(weeks, span, first_week, last_week)
    return max(0, (limits[1] - limits[0]).days // 7 + 1) if limits else 0


def limits_of(
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
