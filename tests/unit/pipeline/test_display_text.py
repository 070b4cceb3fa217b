"""Plots and texts of the Dagster UI accept every name."""

import logging
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.assets import plots as pictures
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.display_text import MAX_CHARS, markdown_code, printable

ODD_NAMES = [
    r"$\frac$",
    "$$",
    "Costs $5 or $6",
    "a_$b^$_c",
    "nul \0 and bell \a",
    "lines\nand\ttabs\r\n",
    "surrogate \udc80",
    "right to left \u202e",
    "emoji 🚲 and 東京",
    "`code` | [link](x) ![picture](y) <b>",
    "x" * 100_000,
    "",
]


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_a_picture_is_drawn_whatever_the_name_above_it(name: str) -> None:
    trips = pictures.trips_map(np.array([[7.0, 45.0, 7.1, 45.1]]), name)
    flows = pictures.flows_map(np.array([[7.0, 45.0, 7.1, 45.1]]), np.array([3]), name)
    for picture in (trips, flows):
        # No character of the name ends the picture or its Markdown.
        address = re.fullmatch(r"!\[[a-z ]+\]\(data:image/svg\+xml,([^\s()]+)\)", str(picture.value))
        assert address is not None
        ElementTree.fromstring(unquote(address[1]))


@given(st.text(st.characters()))
def test_printable_text_is_one_short_line_that_can_be_stored(text: str) -> None:
    line = printable(text)
    assert line.isprintable()
    assert len(line) <= MAX_CHARS + 1
    line.encode()


def test_printable_text_keeps_what_can_be_read() -> None:
    assert printable("Zürich 🚲 $5") == "Zürich 🚲 $5"
    assert printable("a\nb\0") == "a b\N{REPLACEMENT CHARACTER}"
    assert printable("abc", 2) == "ab…"


@given(st.text(st.sampled_from("`a \n|[]()!"), max_size=40))
def test_nothing_inside_a_markdown_code_span_ends_it(text: str) -> None:
    span = markdown_code(text)
    fence = re.match("`+", span)
    assert fence is not None
    inside = span[fence.end() : -fence.end()] if len(span) > 2 * fence.end() else ""
    assert span.endswith(fence[0])
    assert fence[0] not in re.findall("`+", inside)


def test_metadata_that_cannot_be_made_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert optional_metadata(logging.getLogger("run"), lambda: {"x": 1 / 0}) == {}  # type: ignore[dict-item]
    assert "left out" in caplog.text
    assert "ZeroDivisionError" in caplog.text
