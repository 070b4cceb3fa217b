"""Weekdays and times of day as filters of trips, by the local clock of their start."""

import re
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
"""From Monday."""
MINUTES_OF_DAY = 24 * 60
MINUTES_OF_WEEK = 7 * MINUTES_OF_DAY
_MINUTE_US = 60_000_000
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)", re.ASCII)


class TimeWindow(NamedTuple):
    """A half-open window of the day; one whose end is before its start crosses midnight."""

    start: int
    """Minute of the day, 0 to 1,439."""
    end: int
    """Minute of the day, up to 1,440; differs from the start."""

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in self)


class TimeFilter(NamedTuple):
    """Which starts of trips match: the weekday of the start and its time of day, each by itself.

    So a window that crosses midnight selects, on each weekday, the minutes before its end and those from its start
    on: a trip counts on the weekday on which it starts.
    """

    weekdays: tuple[Weekday, ...] | None = None
    """In the order of the week; None for all."""
    window: TimeWindow | None = None
    """None for the whole day."""

    def minute_ranges(self) -> NDArray[np.int64]:
        """The half-open ranges of minutes of the week that match, ascending and apart; shape (ranges, 2)."""
        start, end = self.window or (0, MINUTES_OF_DAY)
        of_day = [(start, end)] if start < end else [(0, end), (start, MINUTES_OF_DAY)]
        days = range(7) if self.weekdays is None else sorted(map(WEEKDAYS.index, self.weekdays))
        joined: list[list[int]] = []
        for day in days:
            for first, stop in of_day:
                if first == stop:
                    continue
                if joined and joined[-1][1] == day * MINUTES_OF_DAY + first:
                    joined[-1][1] = day * MINUTES_OF_DAY + stop
                else:
                    joined.append([day * MINUTES_OF_DAY + first, day * MINUTES_OF_DAY + stop])
        return np.array(joined, np.int64).reshape(-1, 2)


ANY_TIME = TimeFilter()
"""Every trip matches."""


def parse_weekdays(text: str) -> tuple[Weekday, ...]:
    """The weekdays of a list like mon,tue in the order of the week.

    Raises:
        ValueError: an entry is no weekday, or occurs twice.
    """
    names = text.split(",")
    if not set(names) <= set(WEEKDAYS):
        raise ValueError(f"a list of {', '.join(WEEKDAYS)} is needed, as in mon,tue")
    if len(set(names)) < len(names):
        raise ValueError("a weekday occurs twice")
    return tuple(day for day in WEEKDAYS if day in names)


def parse_window(text: str) -> TimeWindow:
    """The window of a text like 06:00-09:30.

    Raises:
        ValueError: the text has another form, or its start and end are equal.
    """
    match = _WINDOW.fullmatch(text)
    if match is None or (match[3] == "24" and match[4] != "00"):
        raise ValueError("a window like 06:00-09:30 is needed, from 00:00 to 24:00")
    start, end = (60 * int(match[n]) + int(match[n + 1]) for n in (1, 3))
    if start == end:
        raise ValueError("start and end are equal; 00:00-24:00 is the whole day")
    return TimeWindow(start, end)


def minutes_of_week(moments: NDArray[np.int64]) -> NDArray[np.uint16]:
    """The minutes of the week of times, in microseconds since Monday 00:00."""
    return (moments // _MINUTE_US).astype(np.uint16)
