"""Partition keys of files and weeks."""

from datetime import date, timedelta

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.partitions import TRIP_FILES, WEEKS, from_key, to_key, week_of


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_name_survives_encoding_as_a_key_that_dagster_accepts(name: str) -> None:
    key = to_key(name)
    assert from_key(key) == name
    dg.StaticPartitionsDefinition([key])
    assert not set("|[],") & set(key)


def test_two_names_that_differ_in_encoded_characters_have_different_keys() -> None:
    assert len({to_key(name) for name in ("a,b", "a%2Cb", "a%252Cb")}) == 3


@given(st.dates(date(1, 1, 1), date(9999, 12, 27)))
def test_a_week_is_read_from_the_iso_date_of_its_monday(day: date) -> None:
    monday = day - timedelta(days=day.weekday())
    assert week_of(monday.isoformat()) == monday


@pytest.mark.parametrize(
    "key",
    [
        "",
        "Turin|2018-04-30",
        "2018-05-01",
        "2018-05-06",
        "20180430",
        "2018-W18-1",
        "2018-04-30 ",
        "2018-4-30",
    ],
)
def test_a_key_in_another_form_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        week_of(key)


def test_files_and_weeks_have_dynamic_partitions_of_their_own() -> None:
    assert (TRIP_FILES.name, WEEKS.name) == ("trip_files", "weeks")
