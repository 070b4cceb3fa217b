"""Maps of trips and flows for the Dagster UI."""

from collections.abc import Iterable, Iterator
from math import cos, floor, log10, radians

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.projection import EARTH_RADIUS_M
from shifts_pipeline.assets.svg import GREY, label, picture
from shifts_pipeline.display_text import printable

_TITLE_CHARS = 70
_ORIGIN, _DESTINATION = "#1f77b4", "#d95f02"
_WIDTH, _HEIGHT, _LINE = 420, 330, 16
"""Pixels: of the picture, and the height of a line of text."""
_METRES_PER_DEGREE = radians(EARTH_RADIUS_M)
_LONGEST_SCALE_PX = 90
_HEAD_PX = 4.0


def trips_map(od_coords: NDArray[np.float64], title: str) -> dg.MarkdownMetadataValue:
    """Plot origins and destinations as dots.

    Args:
        od_coords: shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees.
        title: title of the plot.
    """
    view = _Map(od_coords)
    body = ""
    for first, colour in ((0, _ORIGIN), (2, _DESTINATION)):
        places = {(round(x), round(y)) for x, y in view.pixels(od_coords[:, first : first + 2])}
        body += _dots(sorted(places), colour, "stroke-width='2' stroke-opacity='.5'")
    return view.picture("trips", body, title)


def flows_map(
    centroids: NDArray[np.float64], trips: NDArray[np.int64], title: str
) -> dg.MarkdownMetadataValue:
    """Plot clusters as arrows from origin to destination, whose width grows with the number of trips.

    Args:
        centroids: shape (n, 4), degrees, in the order of `trips_map`.
        trips: shape (n,), number of trips of each cluster.
        title: title of the plot.
    """
    view = _Map(centroids)
    widths = 0.6 + 2.6 * np.sqrt(trips / max(trips.max(initial=1), 1))
    begins, ends = [*view.pixels(centroids[:, :2])], [*view.pixels(centroids[:, 2:])]
    body = "".join(
        f"<path stroke='{_ORIGIN}' stroke-opacity='.6' stroke-width='{width:.1f}' d='{_arrow(begin, end)}'/>"
        for begin, end, width in zip(begins, ends, widths.tolist(), strict=True)
    )
    for places, colour in ((begins, _ORIGIN), (ends, _DESTINATION)):
        body += _dots(places, colour, "stroke-width='4'")
    return view.picture("flows", body, title)


def _dots(places: Iterable[tuple[float, float]], colour: str, style: str) -> str:
    d = "".join(f"M{x} {y}h0" for x, y in places)
    return f"<path stroke='{colour}' stroke-linecap='round' {style} d='{d}'/>"


def _arrow(begin: tuple[float, float], end: tuple[float, float]) -> str:
    """A line with two strokes as its head."""
    (x0, y0), (x1, y1) = begin, end
    length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
    along_x, along_y = _HEAD_PX * (x1 - x0) / length, _HEAD_PX * (y1 - y0) / length
    left = f"{x1 - along_x - along_y:.1f} {y1 - along_y + along_x:.1f}"
    right = f"{x1 - along_x + along_y:.1f} {y1 - along_y - along_x:.1f}"
    return f"M{x0} {y0}L{x1} {y1}M{left}L{x1} {y1}L{right}"


class _Map:
    """All but the outermost 1 % of some trips' ends, true to scale in their middle.

    Args:
        od_coords: shape (n, 4), as `trips_map` takes them.
    """

    def __init__(self, od_coords: NDArray[np.float64]) -> None:
        points = od_coords.reshape(-1, 2) if len(od_coords) else np.zeros((1, 2))
        (west, south), (east, north) = np.percentile(points, [0.5, 99.5], axis=0)
        self._middle = (west + east) / 2, (south + north) / 2
        self._narrowing = max(cos(radians(self._middle[1])), 0.05)
        height = _HEIGHT - 2 * _LINE
        wide, high = 1.16 * max(east - west, 0.01) * self._narrowing, 1.16 * max(north - south, 0.01)
        self._px_per_degree = min(_WIDTH / wide, height / high)

    def pixels(self, points: NDArray[np.float64]) -> Iterator[tuple[float, float]]:
        """Where points are drawn; `points` has shape (n, 2): longitudes and latitudes, degrees."""
        offsets = (points - np.array(self._middle)) * np.array([self._narrowing, -1.0]) * self._px_per_degree
        yield from map(tuple, np.round(offsets + np.array([_WIDTH / 2, _HEIGHT / 2]), 1).tolist())

    def picture(self, name: str, body: str, title: str) -> dg.MarkdownMetadataValue:
        """The map with a title, a scale and the place of its middle."""
        longitude, latitude = self._middle
        metres_per_px = _METRES_PER_DEGREE / self._px_per_degree
        length_m = _round_length(_LONGEST_SCALE_PX * metres_per_px)
        scale_px = round(length_m / metres_per_px)
        scale = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
        middle = f"around {latitude:.3f}, {longitude:.3f} (latitude, longitude)"
        begin, end = (f"<tspan fill='{colour}'>" for colour in (_ORIGIN, _DESTINATION))
        legend = f"{begin}from</tspan> {end}to</tspan>"
        texts = (
            label(_LINE - 4, printable(title, _TITLE_CHARS)),
            f"<text x='{_WIDTH}' y='{_LINE - 4}' text-anchor='end'>{legend}</text>",
            f"<path stroke='{GREY}' stroke-width='2' d='M0 {_HEIGHT - 7}h{scale_px}'/>",
            label(_HEIGHT - 4, scale, scale_px + 6),
            label(_HEIGHT - 4, middle, _WIDTH, anchor="end"),
        )
        return picture(name, _WIDTH, _HEIGHT, body + "".join(texts))


def _round_length(longest: float) -> float:
    """The longest length of one, two or five times a power of ten that is not longer."""
    power = 10.0 ** floor(log10(longest))
    return next(factor * power for factor in (5, 2, 1) if factor * power <= longest)
