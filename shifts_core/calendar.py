"""ISO weeks, identified by their Mondays, and the range of dates on which trips may start."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

ONE_WEEK = timedelta(weeks=1)
FIRST_MONDAY = date(1970, 1, 5)
"""The Monday of week number 0, before which no trip may start."""
WEEKS_AHEAD = 53
"""Weeks in which trips may start, counted from the current week: shifts are planned a year ahead."""
_WEEK_OR_DATE = re.compile(r"(?P<year>\d{4})-(?:W(?P<week>\d\d)|\d\d-\d\d)", re.ASCII)


@dataclass(frozen=True)
class DateRange:
    """The days on which trips may start, from `first` up to but not including `end`."""

    first: date
    end: date

    @classmethod
    def starting(cls, first: date, today: date) -> "DateRange":
        """The range from the Monday `first` through `WEEKS_AHEAD` weeks that begin with the current one."""
        return cls(first, monday_of(today) + WEEKS_AHEAD * ONE_WEEK)

    def __contains__(self, day: date) -> bool:
        return self.first <= day < self.end


def monday_of(day: date) -> date:
    """The Monday of a day's ISO week."""
    return day - timedelta(days=day.weekday())


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
