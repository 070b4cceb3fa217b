"""Links between partitions in the Dagster UI."""

import re
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.asset_keys import WEEKLY_AGGREGATES
from shifts_pipeline.assets.partition_links import MAX_INLINE_CHARS, file_links, week_links
from shifts_pipeline.partitions import from_key, to_key

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def _linked(markdown: str) -> list[str]:
    """The partition keys that links lead to, as the UI reads them from the address."""
    paths = re.findall(r"\]\((\S+?)\)(?=, \[| and |$)", markdown)
    return [parse_qs(urlsplit(path).query)["partition"][0] for path in paths]


@given(st.lists(names, min_size=1, max_size=5, unique=True))
def test_a_link_leads_to_the_partition_of_its_file_whatever_its_name(files: list[str]) -> None:
    markdown = file_links(files, len(files)).md_str
    linked = _linked(markdown or "")
    assert linked == [to_key(name) for name in files][: len(linked)]
    assert [from_key(key) for key in linked] == files[: len(linked)]


def test_a_file_links_to_each_of_its_weeks() -> None:
    weeks = [date(2018, 4, 30), date(2018, 12, 31)]
    assert week_links(WEEKLY_AGGREGATES, weeks).md_str == (
        "[2018-W18](/assets/weekly_aggregates?view=partitions&partition=2018-04-30), "
        "[2019-W01](/assets/weekly_aggregates?view=partitions&partition=2018-12-31)"
    )


def test_links_stay_short_enough_to_be_shown_inline_and_count_the_others() -> None:
    weeks = [date(2000, 1, 3) + timedelta(weeks=number) for number in range(1_500)]
    markdown = week_links(WEEKLY_AGGREGATES, weeks).md_str or ""
    linked = _linked(markdown)
    assert len(markdown) <= MAX_INLINE_CHARS
    assert linked == [week.isoformat() for week in weeks[: len(linked)]]
    assert markdown.endswith(f" and {1_500 - len(linked):,} more")


def test_one_link_is_shown_even_if_it_is_too_long() -> None:
    assert _linked(file_links(["ü" * 500, "b.csv"], 70_000).md_str or "") == ["ü" * 500]


def test_the_longest_count_leaves_the_links_inline() -> None:
    assert len(file_links(["x" * 20] * 20, 10**12).md_str or "") <= MAX_INLINE_CHARS


def test_a_week_of_posted_trips_has_no_files_to_link_to() -> None:
    assert file_links([], 0).md_str == "none"
