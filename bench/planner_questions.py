"""Questions of planners about the surroundings of boxes: times, polygons, profiles and a matrix of 50 zones."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from bench.asked_boxes import MODES
from bench.stats_boxes import BoxQuery
from shifts_core.tiles.box import Match
from shifts_core.time_filter import ANY_TIME, WEEKDAYS, TimeFilter, TimeWindow

_VERTICES, _ZONE_VERTICES = 100, 24
_COLUMNS, _ROWS = 10, 5
_TIMES = (
    TimeFilter(WEEKDAYS[:5], TimeWindow(6 * 60, 9 * 60 + 30)),
    TimeFilter(None, TimeWindow(22 * 60, 2 * 60)),
    TimeFilter(WEEKDAYS[5:]),
)


@dataclass(frozen=True)
class Question:
    """One request."""

    box: BoxQuery
    """The area, if `ring` is none; else its bounds."""
    ring: NDArray[np.float64] | None = None
    """A polygon; shape (vertices, 2), degrees, closed."""
    match: Match = "both"
    times: TimeFilter = ANY_TIME
    call: str = "weekly"
    """`weekly`, `profile` or `matrix`, which is about all zones of the region and not about the area."""

    @property
    def wkt(self) -> str:
        """The polygon."""
        assert self.ring is not None
        return "POLYGON((" + ",".join(f"{x!r} {y!r}" for x, y in self.ring.tolist()) + "))"

    @property
    def path(self) -> str:
        """The path and query of the request, below `/api/v1`."""
        parameters = {"region": self.box.region}
        if self.call == "matrix":
            parameters["zones"] = "all"
        elif self.ring is None:
            parameters |= {"bbox": self.box.bbox, "match": self.match}
        else:
            parameters |= {"polygon": self.wkt, "match": self.match}
        if self.times.weekdays is not None:
            parameters["weekdays"] = ",".join(self.times.weekdays)
        if self.times.window is not None:
            parameters["time"] = str(self.times.window)
        return f"/trips/{self.call}?{urlencode(parameters)}"


def questions(boxes: Sequence[BoxQuery], *, in_all_modes: bool) -> dict[str, list[Question]]:
    """For each kind of question, one around each box.

    Args:
        boxes: where trips are.
        in_all_modes: ask in all modes in turns; else both ends must lie in the area.
    """
    rng = np.random.default_rng(1)
    modes: tuple[Any, ...] = MODES if in_all_modes else ("both",)
    plain = [Question(box, match=modes[number % len(modes)]) for number, box in enumerate(boxes)]
    polygons = [replace(question, ring=star(question.box, _VERTICES, rng)) for question in plain]
    return {
        "box": plain,
        "box, weekdays and time": [*_timed(plain)],
        f"polygon of {_VERTICES} vertices": polygons,
        "polygon, weekdays and time": [*_timed(polygons)],
        "profile of a box": [replace(question, call="profile") for question in plain],
        "profile of a polygon": [replace(question, call="profile") for question in polygons],
    }


def matrices(region: BoxQuery, count: int) -> dict[str, list[Question]]:
    """Matrices of a region with and without times, by their kind."""
    plain = Question(region, call="matrix")
    asked = [plain, *(replace(plain, times=times) for times in _TIMES)]
    return {f"matrix of {_COLUMNS * _ROWS} zones": [asked[number % len(asked)] for number in range(count)]}


def zones(ends: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """50 polygons over the middle of a region by name; `ends` is a sample of its trips, shape (n, 4), degrees."""
    west, south, east, north = np.quantile(ends[:, :2], [0.02, 0.98], axis=0).ravel().tolist()
    width, height = (east - west) / _COLUMNS, (north - south) / _ROWS
    rng = np.random.default_rng(1)
    found = {}
    for number in range(_COLUMNS * _ROWS):
        x, y = west + number % _COLUMNS * width, south + number // _COLUMNS * height
        cell = BoxQuery("", 0, x, y, x + width, y + height, 0.0)
        found[f"zone {number:02}"] = star(cell, _ZONE_VERTICES, rng)
    return found


def feature_collection(rings: dict[str, NDArray[np.float64]]) -> str:
    """Zones as the API takes them."""
    features = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": [ring.tolist()]},
        }
        for name, ring in rings.items()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def star(box: BoxQuery, vertices: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A ring with an irregular, concave border that reaches the sides of a box; shape (vertices + 1, 2), closed."""
    angles = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    reach = rng.uniform(0.7, 1.0, vertices)
    centre = np.array([(box.west + box.east) / 2, (box.south + box.north) / 2])
    half = np.array([(box.east - box.west) / 2, (box.north - box.south) / 2])
    ring = centre + half * np.column_stack([reach * np.cos(angles), reach * np.sin(angles)])
    return np.vstack([ring, ring[:1]])


def _timed(asked: Sequence[Question]) -> Iterator[Question]:
    for number, question in enumerate(asked):
        yield replace(question, times=_TIMES[number % len(_TIMES)])
