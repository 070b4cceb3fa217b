"""Plots for the Dagster UI, as Markdown with an embedded PNG; matplotlib is imported when one is drawn."""

import base64
import io
import warnings
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
_ORIGIN, _DESTINATION = "#1f77b4", "#d95f02"


def trips_map(od_coords: NDArray[np.float64], title: str) -> dg.MarkdownMetadataValue:
    """Plot origins and destinations as dots.

    Args:
        od_coords: shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees.
        title: title of the plot.
    """
    figure, axes = _new_figure(4.6, 3.6)
    for first, colour, label in ((0, _ORIGIN, "origin"), (2, _DESTINATION, "destination")):
        axes.scatter(
            od_coords[:, first], od_coords[:, first + 1], s=2, alpha=0.5, lw=0, color=colour, label=label
        )
    _frame_map(axes, od_coords)
    axes.legend(loc="upper right", fontsize=6, markerscale=3, framealpha=0.7)
    return _to_markdown(figure, axes, title)


def flows_map(
    centroids: NDArray[np.float64], trips: NDArray[np.int64], title: str
) -> dg.MarkdownMetadataValue:
    """Plot clusters as arrows from origin to destination, whose width grows with the number of trips.

    Args:
        centroids: shape (n, 4), degrees, in the order of `trips_map`.
        trips: shape (n,), number of trips of each cluster.
        title: title of the plot.
    """
    figure, axes = _new_figure(4.6, 3.6)
    if len(centroids):
        widths = 0.4 + 2.6 * np.sqrt(trips / trips.max())
        for (x0, y0, x1, y1), width in zip(centroids, widths, strict=True):
            axes.annotate(
                "",
                (x1, y1),
                (x0, y0),
                arrowprops={"arrowstyle": "-|>", "lw": width, "color": _ORIGIN, "alpha": 0.6},
            )
        axes.scatter(centroids[:, 0], centroids[:, 1], s=4, color=_ORIGIN, lw=0)
        axes.scatter(centroids[:, 2], centroids[:, 3], s=4, color=_DESTINATION, lw=0)
        _frame_map(axes, centroids)
    return _to_markdown(figure, axes, title)


def _frame_map(axes: "Axes", od_coords: NDArray[np.float64]) -> None:
    """Limit the map to all but the outermost 1 % of the coordinates, with the aspect ratio of their latitude."""
    points = od_coords.reshape(-1, 2)
    (west, south), (east, north) = np.percentile(points, [0.5, 99.5], axis=0)
    pad_x, pad_y = max(east - west, 0.01) * 0.08, max(north - south, 0.01) * 0.08
    axes.set_xlim(west - pad_x, east + pad_x)
    axes.set_ylim(south - pad_y, north + pad_y)
    axes.set_aspect(1 / max(cos(radians((south + north) / 2)), 0.05), adjustable="box")


def _new_figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure  # noqa: PLC0415  takes 0.5 s, which runs without plots need not pay

    figure = Figure(figsize=(width, height), dpi=90, layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _to_markdown(figure: "Figure", axes: "Axes", title: str) -> dg.MarkdownMetadataValue:
    # A title holds any character: `$…$` stays text, and characters that the font lacks become boxes.
    axes.set_title(printable(title, _TITLE_CHARS), fontsize=8, parse_math=False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="png")
    return dg.MetadataValue.md(
        f"![picture](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
    )
