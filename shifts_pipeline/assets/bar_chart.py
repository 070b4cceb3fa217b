"""A bar chart for the Dagster UI, small enough that metadata tables show it without a click."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from shifts_pipeline.assets.svg import label, picture

MAX_BARS = 52
_WIDTH, _HEIGHT, _LABEL = 420, 84, 12
"""Pixels: of the picture, and the height of a line of text."""
_BASE = _HEIGHT - _LABEL
_TALLEST = _BASE - _LABEL
_BAR = "#5b7f95"


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
    labels = label(_LABEL - 2, f"{largest:,}") + label(_HEIGHT - 2, _span(weeks))
    path = f"<path stroke='{_BAR}' stroke-width='{max(1, round(step * 0.75))}' d='{bars}'/>"
    return picture("trips by week", _WIDTH, _HEIGHT, path + labels)


def _span(weeks: Sequence[date]) -> str:
    first, last = f"{weeks[0]:%G-W%V}", f"{weeks[-1]:%G-W%V}"
    return first if first == last else f"{first} to {last}"
