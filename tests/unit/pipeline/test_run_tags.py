"""Tags of runs that tell a reader what a run does."""

from datetime import date

import pytest

from shifts_pipeline.jobs.run_tags import files_tag, weeks_tag


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2018, 4, 30), date(2018, 4, 30), "2018-W18"),
        (date(2018, 4, 30), date(2018, 5, 28), "2018-W18 to W22"),
        (date(2018, 12, 24), date(2018, 12, 31), "2018-W52 to 2019-W01"),
    ],
)
def test_weeks_are_named_as_short_as_they_are_clear(first: date, last: date, text: str) -> None:
    assert weeks_tag(first, last) == {"weeks": text}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a.csv"], "a.csv"),
        (["a.csv", "b.csv"], "a.csv and 1 more"),
        (["a.csv"] * 1_201, "a.csv and 1,200 more"),
        (["\u00fc" * 1_000], "\u00fc" * 60 + "…"),
        (["a\nb\0.csv"], "a b\N{REPLACEMENT CHARACTER}.csv"),
    ],
)
def test_files_are_named_in_one_line_that_can_be_indexed(names: list[str], text: str) -> None:
    assert files_tag(names) == {"files": text}
