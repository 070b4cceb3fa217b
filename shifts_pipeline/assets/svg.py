"""Pictures for the Dagster UI: an SVG in the address of a picture in Markdown."""

from urllib.parse import quote
from xml.sax.saxutils import escape

import dagster as dg

GREY = "#888"
"""Of texts: it is legible on light and on dark."""
_UNQUOTED = "<>/'=:,;"
"""Characters that Markdown and browsers accept in the address of a picture, which stays short without their codes."""


def picture(name: str, width: int, height: int, body: str) -> dg.MarkdownMetadataValue:
    """A picture of some pixels.

    Args:
        name: for those who do not see it: letters and spaces.
        width: pixels.
        height: pixels.
        body: elements of an SVG, in grey if they have no colour.
    """
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'"
        f" font-family='sans-serif' font-size='10' fill='{GREY}'>{body}</svg>"
    )
    return dg.MetadataValue.md(f"![{name}](data:image/svg+xml,{quote(svg, safe=_UNQUOTED)})")


def label(y: int, text: str, x: int = 0, *, anchor: str = "") -> str:
    """A line of text, whose characters mean nothing else; `anchor` as in SVG: the left end by default."""
    at = f" x='{x}'" if x else ""
    anchored = f" text-anchor='{anchor}'" if anchor else ""
    return f"<text{at} y='{y}'{anchored}>{escape(text)}</text>"
