"""Weeks that a mean divides by, compared with counting days on a calendar."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_core.calendar import ONE_WEEK, monday_of
from shifts_core.tiles.box import Box
from shifts_core.weekly_mean import divisor, week_limits
from shifts_core.weekly_statistics import WeeklyQuery

MOMENTS = st.datetimes(datetime(2017, 12, 1), datetime(2018, 2, 28))
MONDAYS = st.none() | st.dates(date(2017, 12, 1), date(2018, 2, 28)).map(monday_of)


@given(MOMENTS, MOMENTS, MONDAYS, MONDAYS)
def test_span_counts_all_weeks_with_a_day_between_the_first_and_the_last_trip(
    one: datetime, other: datetime, first: date | None, last: date | None
) -> None:
    span = (min(one, other), max(one, other))
    weeks = [week for week in days_by_week(*span) if (first or week) <= week <= (last or week)]
    assert divisor("span", {}, week_limits("span", span, first, last)) == len(weeks)


@given(MOMENTS, MOMENTS, MONDAYS, MONDAYS)
def test_full_counts_the_weeks_with_seven_days_between_the_first_and_the_last_trip(
    one: datetime, other: datetime, first: date | None, last: date | None
) -> None:
    span = (min(one, other), max(one, other))
    full = [week for week, days in days_by_week(*span).items() if days == 7]
    weeks = [week for week in full if (first or week) <= week <= (last or week)]
    assert divisor("full", {}, week_limits("full", span, first, last)) == len(weeks)


def days_by_week(first: datetime, last: datetime) -> Counter[date]:
    days = (last.date() - first.date()).days + 1
    return Counter(monday_of(first.date() + timedelta(days=number)) for number in range(days))


def test_active_counts_the_weeks_with_a_matching_trip() -> None:
    monday = date(2018, 5, 28)
    assert divisor("active", {monday: 2, monday + ONE_WEEK: 0, monday + 2 * ONE_WEEK: 1}, None) == 2


@pytest.mark.parametrize("weeks", ["active", "span", "full"])
def test_a_region_without_trips_has_no_weeks(weeks: str) -> None:
    assert week_limits(weeks, None) is None  # type: ignore[arg-type]
    assert divisor(weeks, {}, None) == 0  # type: ignore[arg-type]


def test_statistics_hold_the_mean_the_series_and_the_filter() -> None:
    monday, now = date(2018, 5, 28), datetime(2026, 1, 1, tzinfo=UTC)
    query = WeeklyQuery("Turin", Box(7, 45, 8, 46), "any", "span", None, monday + ONE_WEEK)
    found = query.statistics({monday: 3}, (datetime(2018, 5, 14), datetime(2019, 1, 1)), now)
    assert (found.mean, found.num_weeks, found.total_trips, found.as_of) == (0.75, 4, 3, now)
    assert [week.model_dump() for week in found.series] == [
        {"week": "2018-W22", "monday": monday, "trips": 3}
    ]
    assert (found.filter.from_week, found.filter.to_week) == (None, "2018-W23")


def test_statistics_without_matching_trips_have_no_mean() -> None:
    query = WeeklyQuery("Turin", Box(7, 45, 8, 46), weeks="span")
    found = query.statistics(
        {}, (datetime(2018, 5, 14), datetime(2018, 5, 28)), datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert (found.mean, found.num_weeks, found.series) == (None, 3, [])
