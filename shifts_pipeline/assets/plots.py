"""Small pictures for the Dagster UI, as Markdown with the PNG inside; matplotlib loads only to draw."""

import base64
import io
import warnings
from collections.abc import Sequence
from datetime import date
from math import cos, radians
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from shifts_pipeline.display_text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLE_CHARS = 90
_ORIGIN, _DESTINATION, _BAR = "#1f77b4", "#d95f02", "#5b7f95"


def trips_map(trips: NDArray[np.float64], title: str) -> dg.MarkdownMetadataValue:
    """Origins and destinations as dots.

    Args:
        trips: shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees.
        title: above the picture.
    """
    figure, axes = _new_figure(4.6, 3.6)
    for first, colour, label in ((0, _ORIGIN, "origin"), (2, _DESTINATION, "destination")):
        axes.scatter(trips[:, first], trips[:, first + 1], s=2, alpha=0.5, lw=0, color=colour, label=label)
    frame_map(axes, trips)
    axes.legend(loc="upper right", fontsize=6, markerscale=3, framealpha=0.7)
    return _markdown(figure, axes, title)


def flows_map(flows: NDArray[np.float64], trips: NDArray[np.int64], title: str) -> dg.MarkdownMetadataValue:
    """Groups as arrows from origin to destination centroid, the thicker the more trips.

    Args:
        flows: shape (n, 4), centroids in degrees as in `trips_map`.
        trips: shape (n,), trips of each group.
        title: above the picture.
    """
    figure, axes = _new_figure(4.6, 3.6)
    if len(flows):
        widths = 0.4 + 2.6 * np.sqrt(trips / trips.max())
        for (x0, y0, x1, y1), width in zip(flows, widths, strict=True):
            axes.annotate(
                "",
                (x1, y1),
                (x0, y0),
                arrowprops={"arrowstyle": "-|>", "lw": width, "color": _ORIGIN, "alpha": 0.6},
            )
        axes.scatter(flows[:, 0], flows[:, 1], s=4, color=_ORIGIN, lw=0)
        axes.scatter(flows[:, 2], flows[:, 3], s=4, color=_DESTINATION, lw=0)
        frame_map(axes, flows)
    return _markdown(figure, axes, title)


def weekly_bars(weeks: Sequence[date], trips: Sequence[int], title: str) -> dg.MarkdownMetadataValue:
    """Trips week by week."""
    figure, axes = _new_figure(4.6, 2.2)
    axes.bar([f"{w:%G-W%V}" for w in weeks], list(trips), color=_BAR)
    axes.tick_params(axis="x", labelrotation=90 if len(weeks) > 6 else 0)
    axes.locator_params(axis="y", nbins=5, integer=True)
    return _markdown(figure, axes, title)


def frame_map(axes: "Axes", ends: NDArray[np.float64]) -> None:
    """Limits the map to where nearly all of the ends are, in the right proportion for their latitude."""
    points = ends.reshape(-1, 2)
    (west, south), (east, north) = np.percentile(points, [0.5, 99.5], axis=0)
    pad_x, pad_y = max(east - west, 0.01) * 0.08, max(north - south, 0.01) * 0.08
    axes.set_xlim(west - pad_x, east + pad_x)
    axes.set_ylim(south - pad_y, north + pad_y)
    axes.set_aspect(1 / max(cos(radians((south + north) / 2)), 0.05), adjustable="box")


def _new_figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure  # noqa: PLC0415  half a second that most runs need not pay

    figure = Figure(figsize=(width, height), dpi=90, layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _markdown(figure: "Figure", axes: "Axes", title: str) -> dg.MarkdownMetadataValue:
    # Names hold any character: `$…$` is not mathematics, and what the font lacks is drawn as a box.
    axes.set_title(printable(title, _TITLE_CHARS), fontsize=8, parse_math=False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="png")
    return dg.MetadataValue.md(
        f"![picture](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
    )
