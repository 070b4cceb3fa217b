"""ISO weeks, identified by their Mondays, and the range of dates on which trips may start."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

ONE_WEEK = timedelta(weeks=1)
FIRST_MONDAY = date(1970, 1, 5)
"""The Monday of week number 0, before which no trip may start."""
WEEKS_AHEAD = 53
"""Weeks in which trips may start, counted from the current week: shifts are planned a year ahead."""
_MOST_WEEKS = 10_000
"""Since before `FIRST_MONDAY`."""
_WEEK_OR_DATE = re.compile(r"(?P<year>\d{4})-(?:W(?P<week>\d\d)|\d\d-\d\d)", re.ASCII)


@dataclass(frozen=True)
class DateRange:
    """The days on which trips may start, from `first` up to but not including `end`."""

    first: date
    end: date
    kept_from: date = FIRST_MONDAY
    """The first Monday that the retention keeps; `first` is not before it."""

    @classmethod
    def starting(cls, first: date, today: date, retention_weeks: int | None = None) -> "DateRange":
        """The range from the Monday `first` through `WEEKS_AHEAD` weeks that begin with the current one.

        Args:
            first: Monday of the first week.
            today: a day of the current week.
            retention_weeks: how many weeks before the current one are kept; None for all.
        """
        kept_from = FIRST_MONDAY if retention_weeks is None else first_kept(today, retention_weeks)
        return cls(max(first, kept_from), monday_of(today) + WEEKS_AHEAD * ONE_WEEK, kept_from)

    def __contains__(self, day: date) -> bool:
        return self.first <= day < self.end


def monday_of(day: date) -> date:
    """The Monday of a day's ISO week."""
    return day - timedelta(days=day.weekday())


def first_kept(today: date, retention_weeks: int) -> date:
    """The Monday of the first week that is kept, if so many before the current one are."""
    return max(monday_of(today) - min(retention_weeks, _MOST_WEEKS) * ONE_WEEK, FIRST_MONDAY)


def week_number(monday: date) -> int:
    """The number of weeks from `FIRST_MONDAY` to a Monday."""
    return (monday - FIRST_MONDAY).days // 7


def monday_of_week(number: int) -> date:
    """The Monday of a week number."""
    return FIRST_MONDAY + number * ONE_WEEK


def parse_week(text: object) -> date:
    """The Monday of an ISO week like 2018-W22, or of the week that contains a date like 2018-05-31.

    Raises:
        ValueError: the text has neither form, or the week or day does not exist.
    """
    # JSON may hold any value.
    match = _WEEK_OR_DATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("an ISO week like 2018-W22 or a date like 2018-05-31 is needed")
    try:
        if match["week"]:
            return date.fromisocalendar(int(match["year"]), int(match["week"]), 1)
        return monday_of(date.fromisoformat(match[0]))
    except (ValueError, OverflowError):
        raise ValueError(f"{text} does not exist") from None
