"""A bar chart for the Dagster UI, small enough that metadata tables show it without a click."""

from collections.abc import Sequence
from datetime import date
from urllib.parse import quote

import dagster as dg

MAX_BARS = 52
_WIDTH, _HEIGHT, _LABEL = 420, 84, 12
"""Pixels: of the picture, and the height of a line of text."""
_BASE = _HEIGHT - _LABEL
_TALLEST = _BASE - _LABEL
_BAR, _TEXT = "#5b7f95", "#888"
_UNQUOTED = "<>/'=:,;"
"""Characters that Markdown and browsers accept in the address of a picture, which stays short without their codes."""


def weekly_bars(weeks: Sequence[date], trips: Sequence[int]) -> dg.MarkdownMetadataValue:
    """Draw the number of trips of each week, given its Monday, as a bar; at most `MAX_BARS` weeks, the last ones.

    Labels name the largest number, and the first and the last week. The UI shows Markdown without a click if it has
    less than 1,000 characters: the picture is an SVG.
    """
    weeks, trips = weeks[-MAX_BARS:], trips[-MAX_BARS:]
    largest = max(trips)
    step = _WIDTH / max(len(weeks), 8)
    bars = "".join(
        f"M{round(step * (place + 0.5))},{_BASE}v-{max(1, round(_TALLEST * number / largest))}"
        for place, number in enumerate(trips)
    )
    labels = _label(_LABEL - 2, f"{largest:,}") + _label(_HEIGHT - 2, _span(weeks))
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}'"
        f" font-family='sans-serif' font-size='10' fill='{_TEXT}'>"
        f"<path stroke='{_BAR}' stroke-width='{max(1, round(step * 0.75))}' d='{bars}'/>{labels}</svg>"
    )
    return dg.MetadataValue.md(f"![trips by week](data:image/svg+xml,{quote(svg, safe=_UNQUOTED)})")


def _label(y: int, text: str) -> str:
    return f"<text y='{y}'>{text}</text>"


def _span(weeks: Sequence[date]) -> str:
    first, last = f"{weeks[0]:%G-W%V}", f"{weeks[-1]:%G-W%V}"
    return first if first == last else f"{first} to {last}"
