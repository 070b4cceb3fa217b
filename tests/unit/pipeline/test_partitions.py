"""Partition keys and the calendar."""

from datetime import date, timedelta

import dagster as dg
from hypothesis import given
from hypothesis import strategies as st

from shifts_core.calendar import DateRange
from shifts_pipeline.partitions import from_key, pair_of, region_weeks, to_key, weeks

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(names)
def test_every_name_survives_the_way_through_a_key_that_dagster_takes(name: str) -> None:
    key = to_key(name)
    assert from_key(key) == name
    dg.StaticPartitionsDefinition([key])
    assert "|" not in key


@given(names, st.dates(date(2000, 1, 3), date(2026, 1, 1)))
def test_a_pair_is_read_from_its_key(region: str, day: date) -> None:
    monday = day - timedelta(days=day.weekday())
    key = dg.MultiPartitionKey({"region": to_key(region), "week": monday.isoformat()})
    assert pair_of(str(key)) == (region, monday)


def test_weeks_are_iso_weeks_from_monday_and_the_last_one_ends_where_the_calendar_ends() -> None:
    keys = weeks(date(2000, 1, 3)).get_partition_keys()
    mondays = [date.fromisoformat(key) for key in keys]
    assert keys[0] == "2000-01-03"
    assert {monday.isoweekday() for monday in mondays} == {1}
    assert {"2015-12-28", "2020-12-28"} <= set(keys)  # weeks 53
    assert mondays[-1] + timedelta(weeks=1) == DateRange.starting(date(2000, 1, 3), date.today()).end  # noqa: DTZ011


def test_the_pair_partitions_name_their_dimensions_in_the_order_of_their_keys() -> None:
    assert region_weeks(date(2000, 1, 3)).partition_dimension_names == ["region", "week"]
