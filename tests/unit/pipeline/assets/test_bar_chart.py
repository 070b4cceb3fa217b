"""The bar chart of metadata tables."""

import re
from datetime import date, timedelta
from urllib.parse import unquote
from xml.etree import ElementTree

from shifts_pipeline.assets.bar_chart import MAX_BARS, weekly_bars
from shifts_pipeline.assets.partition_links import MAX_INLINE_CHARS

_SVG = "{http://www.w3.org/2000/svg}"


def _parse(weeks: int, trips: list[int]) -> tuple[list[int], list[str]]:
    """The heights of the bars in pixels, and the labels."""
    mondays = [date(2018, 1, 1) + timedelta(weeks=number) for number in range(weeks)]
    markdown = weekly_bars(mondays, trips).md_str or ""
    assert len(markdown) <= MAX_INLINE_CHARS
    address = re.fullmatch(r"!\[[a-z ]+\]\(data:image/svg\+xml,([^\s()]+)\)", markdown)
    assert address
    root = ElementTree.fromstring(unquote(address[1]))
    path = root.find(f"{_SVG}path")
    assert path is not None
    heights = re.findall(r"v-(\d+)", path.attrib["d"])
    return list(map(int, heights)), [text.text or "" for text in root.iter(f"{_SVG}text")]


def test_bars_are_as_tall_as_their_numbers_and_labelled() -> None:
    heights, labels = _parse(3, [1_000, 500, 1])
    assert heights == [60, 30, 1]
    assert labels == ["1,000", "2018-W01 to 2018-W03"]


def test_one_week_has_one_label() -> None:
    assert _parse(1, [7]) == ([60], ["7", "2018-W01"])


def test_many_weeks_with_large_numbers_are_shown_without_a_click() -> None:
    heights, labels = _parse(1_400, [10**12] * 1_400)
    assert len(heights) == MAX_BARS
    assert labels[-1].endswith(f"{date(2018, 1, 1) + timedelta(weeks=1_399):%G-W%V}")
