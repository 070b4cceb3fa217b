"""Draws docs/similarity.png from generated trips: `python docs/similarity_picture.py`."""

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

from shifts_core.clustering.clusters import Similarity, find_groups
from shifts_core.clustering.projection import to_plane
from shifts_platform.generator.city import City
from shifts_platform.generator.trips import generate_trips

_TRIPS = 200_000
_TOWN = City("Town", 7.6869, 45.0703, reach_m=1_000, weight=1)
_BEGIN_S, _END_S = 7.5 * 3_600, 8.5 * 3_600
_FRAME_KM = 4.0
_STRONGEST = 7
_LINES = 1_200
"""Drawn of the trips, so that something can be seen."""
_ORIGIN, _DESTINATION, _PALE = "#1f77b4", "#d95f02", "#9a9a9a"
_COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e", "#a6761d")


def main() -> None:
    """An hour of a town's morning: the trips, DBSCAN's widest group, and the compact groups of its trips."""
    ends, times_s = _rush_hour()
    places = to_plane(ends) / 1_000
    labels = DBSCAN(eps=0.5, min_samples=5).fit(places).labels_
    radii = [_radius_km(places[labels == label]) for label in range(labels.max() + 1)]
    widest = labels == int(np.argmax(radii))
    members = find_groups(ends, times_s, Similarity()).members
    figure = Figure(figsize=(9.6, 3.6), dpi=84, layout="constrained")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    _draw_trips(panels[0], places)
    panels[0].set_title(f"{len(places):,} trips, 7:30 to 8:30", fontsize=8)
    _draw_trips(panels[1], places[widest])
    panels[1].set_title(f"DBSCAN: {widest.sum():,} in one group, radius {max(radii):.1f} km", fontsize=8)
    shown = _draw_groups(panels[2], places, np.where(widest, members, -1))
    panels[2].set_title(f"the same trips in {shown} groups, each within 500 m", fontsize=8)
    for panel in panels:
        panel.set(xlim=(-_FRAME_KM, _FRAME_KM), ylim=(-_FRAME_KM, _FRAME_KM), aspect="equal")
        panel.tick_params(labelsize=6)
        panel.set_xlabel("km", fontsize=7)
    target = Path(__file__).with_name("similarity.png")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    Image.open(buffer).convert("RGB").quantize(192).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


def _rush_hour() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    (chunk,) = generate_trips(_TRIPS, seed=4, weeks=1, cities=(_TOWN,))
    times_s = (chunk.moments - chunk.moments.astype("datetime64[D]")).astype(np.float64)
    inside = (times_s >= _BEGIN_S) & (times_s < _END_S)
    return chunk.ends[inside], times_s[inside]


def _draw_trips(panel: Axes, places: NDArray[np.float64]) -> None:
    """Some of the trips as lines from blue to orange dots."""
    places = places[:: max(len(places) // _LINES, 1)]
    panel.add_collection(
        LineCollection(list(places.reshape(-1, 2, 2)), linewidths=0.25, colors=_PALE, alpha=0.15)
    )
    for first, colour in ((0, _ORIGIN), (2, _DESTINATION)):
        panel.plot(places[:, first], places[:, first + 1], ".", ms=1.2, color=colour)


def _radius_km(places: NDArray[np.float64]) -> float:
    away = places - places.mean(axis=0)
    return float(np.maximum(np.hypot(away[:, 0], away[:, 1]), np.hypot(away[:, 2], away[:, 3])).max())


def _draw_groups(panel: Axes, places: NDArray[np.float64], members: NDArray[np.int64]) -> int:
    """Groups as arrows, the strongest in colour with a circle of 500 m at both ends; returns how many."""
    numbers, sizes = np.unique(members[members >= 0], return_counts=True)
    for rank, group in reversed(list(enumerate(numbers[np.argsort(-sizes, kind="stable")]))):
        x0, y0, x1, y1 = places[members == group].mean(axis=0)
        strong = rank < _STRONGEST
        look = {
            "arrowstyle": "-|>",
            "lw": 2 if strong else 0.6,
            "color": _COLOURS[rank] if strong else _PALE,
            "alpha": 1 if strong else 0.5,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        panel.annotate("", (x1, y1), (x0, y0), arrowprops=look)
        if strong:
            for spot in ((x0, y0), (x1, y1)):
                panel.add_patch(Circle(spot, 0.5, fill=False, lw=0.7, color=_COLOURS[rank]))
    return len(numbers)


if __name__ == "__main__":
    main()
