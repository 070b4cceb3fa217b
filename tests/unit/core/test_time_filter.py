"""Weekdays and time windows are read, written and turned into minutes of the week."""

import numpy as np
import pytest
from hypothesis import given

from shifts_core.time_filter import (
    ANY_TIME,
    MINUTES_OF_WEEK,
    TimeFilter,
    TimeWindow,
    minutes_of_week,
    parse_weekdays,
    parse_window,
)
from tests.unit.core.time_filters import matches_time, time_filters


@given(time_filters())
def test_ranges_of_minutes_are_those_that_match_one_by_one(times: TimeFilter) -> None:
    minutes = np.arange(MINUTES_OF_WEEK).astype(np.uint16)
    inside = np.zeros(MINUTES_OF_WEEK, bool)
    ranges = times.minute_ranges()
    for first, stop in ranges.tolist():
        assert first < stop
        inside[first:stop] = True
    assert (ranges[1:, 0] > ranges[:-1, 1]).all()
    assert np.array_equal(inside, matches_time(minutes, times))


def test_the_whole_week_is_one_range() -> None:
    assert ANY_TIME.minute_ranges().tolist() == [[0, MINUTES_OF_WEEK]]
    assert TimeFilter(None, parse_window("00:00-24:00")).minute_ranges().tolist() == [[0, MINUTES_OF_WEEK]]


def test_a_window_across_midnight_counts_trips_on_the_weekday_of_their_start() -> None:
    friday = TimeFilter(("fri",), parse_window("22:00-02:00"))
    assert friday.minute_ranges().tolist() == [
        [4 * 1440, 4 * 1440 + 120],
        [4 * 1440 + 22 * 60, 5 * 1440],
    ]


def test_weekdays_come_in_the_order_of_the_week() -> None:
    assert parse_weekdays("sun,mon") == ("mon", "sun")


@pytest.mark.parametrize("text", ["", "mon,", "monday", "mon,mon", "Mon", "mon tue"])
def test_other_lists_of_weekdays_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"mon|twice"):
        parse_weekdays(text)


@pytest.mark.parametrize("text", ["06:00-09:30", "22:00-02:00", "00:00-24:00", "23:59-00:00"])
def test_windows_are_written_as_they_are_read(text: str) -> None:
    assert str(parse_window(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "6:00-9:30", "06:00", "06:00-06:00", "24:00-06:00", "06:00-24:01", "06:60-07:00", "06:00–07:00"],
)
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"window|equal"):
        parse_window(text)


def test_minutes_are_those_of_the_local_clock_whatever_the_fraction_of_a_second() -> None:
    moments = np.array([0, 59_999_999, 60_000_000, 7 * 86_400_000_000 - 1])
    assert minutes_of_week(moments).tolist() == [0, 0, 1, MINUTES_OF_WEEK - 1]
    assert TimeWindow(0, 1) == parse_window("00:00-00:01")
