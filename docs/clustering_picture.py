"""Draws docs/clustering.png from generated trips: `python docs/clustering_picture.py`."""

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import DBSCAN

from shifts_core.clustering.estimator import TripClusterer
from shifts_core.clustering.projection import to_plane
from shifts_platform.generator.city import City
from shifts_platform.generator.trips import generate_trips

_TRIPS = 200_000
_TOWN = City("Town", 7.6869, 45.0703, reach_m=1_000, weight=1)
_START_S, _END_S = 7.5 * 3_600, 8.5 * 3_600
_FRAME_KM = 4.0
_HIGHLIGHTED = 7
_LINES = 1_200
"""How many of the trips are drawn; more would cover each other."""
_ORIGIN, _DESTINATION, _PALE = "#1f77b4", "#d95f02", "#9a9a9a"
_COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e", "#a6761d")


def main() -> None:
    """Draw one morning hour of a town: the trips, DBSCAN's widest cluster, and the compact clusters of its trips."""
    trips = _rush_hour()
    points = to_plane(trips[:, :4]) / 1_000
    labels = DBSCAN(eps=0.5, min_samples=5).fit_predict(points)
    radii = [_radius_km(points[labels == label]) for label in range(labels.max() + 1)]
    widest = labels == int(np.argmax(radii))
    compact = TripClusterer().fit_predict(trips)
    figure = Figure(figsize=(9.6, 3.6), dpi=84, layout="constrained")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    _draw_trips(panels[0], points)
    panels[0].set_title(f"{len(points):,} trips, 7:30 to 8:30", fontsize=8)
    _draw_trips(panels[1], points[widest])
    panels[1].set_title(f"DBSCAN: {widest.sum():,} in one cluster, radius {max(radii):.1f} km", fontsize=8)
    shown = _draw_clusters(panels[2], points, np.where(widest, compact, -1))
    panels[2].set_title(f"the same trips in {shown} clusters, radius 500 m", fontsize=8)
    for panel in panels:
        panel.set(xlim=(-_FRAME_KM, _FRAME_KM), ylim=(-_FRAME_KM, _FRAME_KM), aspect="equal")
        panel.tick_params(labelsize=6)
        panel.set_xlabel("km", fontsize=7)
    target = Path(__file__).with_name("clustering.png")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    Image.open(buffer).convert("RGB").quantize(192).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


def _rush_hour() -> NDArray[np.float64]:
    """Return trips (n, 5) as in `TripClusterer.fit`."""
    (chunk,) = generate_trips(_TRIPS, seed=4, weeks=1, cities=(_TOWN,))
    times_s = (chunk.moments - chunk.moments.astype("datetime64[D]")).astype(np.float64)
    inside = (times_s >= _START_S) & (times_s < _END_S)
    trips: NDArray[np.float64] = np.column_stack([chunk.od_coords, times_s])[inside]
    return trips


def _draw_trips(panel: Axes, points: NDArray[np.float64]) -> None:
    """Draw some of the trips as lines from blue to orange dots."""
    points = points[:: max(len(points) // _LINES, 1)]
    panel.add_collection(
        LineCollection(list(points.reshape(-1, 2, 2)), linewidths=0.25, colors=_PALE, alpha=0.15)
    )
    for first, colour in ((0, _ORIGIN), (2, _DESTINATION)):
        panel.plot(points[:, first], points[:, first + 1], ".", ms=1.2, color=colour)


def _radius_km(points: NDArray[np.float64]) -> float:
    offsets = points - points.mean(axis=0)
    return float(np.hypot(offsets[:, ::2], offsets[:, 1::2]).max())


def _draw_clusters(panel: Axes, points: NDArray[np.float64], labels: NDArray[np.int64]) -> int:
    """Draw clusters as arrows, the largest in colour with circles of 500 m at both ends; return how many."""
    numbers, sizes = np.unique(labels[labels >= 0], return_counts=True)
    for rank, cluster in reversed(list(enumerate(numbers[np.argsort(-sizes, kind="stable")]))):
        x0, y0, x1, y1 = points[labels == cluster].mean(axis=0)
        highlighted = rank < _HIGHLIGHTED
        style = {
            "arrowstyle": "-|>",
            "lw": 2 if highlighted else 0.6,
            "color": _COLOURS[rank] if highlighted else _PALE,
            "alpha": 1 if highlighted else 0.5,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        panel.annotate("", (x1, y1), (x0, y0), arrowprops=style)
        if highlighted:
            for point in ((x0, y0), (x1, y1)):
                panel.add_patch(Circle(point, 0.5, fill=False, lw=0.7, color=_COLOURS[rank]))
    return len(numbers)


if __name__ == "__main__":
    main()
