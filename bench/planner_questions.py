"""Questions of planners at a running service, each kind asked by one client: boxes, times, polygons, matrices."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from bench.asked_boxes import MODES, Asked
from bench.stats_boxes import BoxQuery

HEAD = "| question | answers | p50 | p95 | worst | errors |\n|---|--:|--:|--:|--:|--:|"
_VERTICES = 100
_COLUMNS, _ROWS = 10, 5
_ZONE_VERTICES = 24
_MATRICES = 10
_TIMES = (
    {"weekdays": "mon,tue,wed,thu,fri", "time": "06:00-09:30"},
    {"time": "22:00-02:00"},
    {"weekdays": "sat,sun"},
)


class PlannerQuestions:
    """Questions about the surroundings of boxes.

    Args:
        port: of the service on this machine.
        boxes: where trips are.
        seed: of the polygons' shapes.
    """

    def __init__(self, port: int, boxes: list[BoxQuery], seed: int = 1) -> None:
        self._port = port
        self._boxes = boxes
        rng = np.random.default_rng(seed)
        self._polygons = [star(box, _VERTICES, rng) for box in boxes]

    def store_zones(self, ends: NDArray[np.float64], region: str) -> None:
        """Stores 50 zones over the middle of a region; `ends` is a sample of its trips, shape (n, 4), degrees."""
        west, south, east, north = np.quantile(ends[:, :2], [0.02, 0.98], axis=0).ravel()
        width, height = (east - west) / _COLUMNS, (north - south) / _ROWS
        rng = np.random.default_rng(1)
        features = []
        for number in range(_COLUMNS * _ROWS):
            x, y = west + number % _COLUMNS * width, south + number // _COLUMNS * height
            box = BoxQuery(region, 0, x, y, x + width, y + height, 0.0)
            geometry = {"type": "Polygon", "coordinates": [star(box, _ZONE_VERTICES, rng).tolist()]}
            features.append(
                {"type": "Feature", "properties": {"name": f"zone {number}"}, "geometry": geometry}
            )
        body = json.dumps({"type": "FeatureCollection", "features": features})
        status, answer = self._request("POST", f"/zones?{urlencode({'region': region})}", body)
        if status != http.client.CREATED:
            raise RuntimeError(answer.decode())

    def rows(self, count: int, state: str, region: str) -> Iterator[str]:
        """Asks so many questions of each kind, and a few matrices of a region; a row of the table for each kind."""
        kinds: dict[str, Callable[[int], str]] = {
            "box": lambda n: self._weekly(n, {"bbox": self._boxes[n].bbox}),
            "box, weekdays and time": lambda n: self._weekly(
                n, {"bbox": self._boxes[n].bbox, **_TIMES[n % len(_TIMES)]}
            ),
            f"polygon of {_VERTICES} vertices": lambda n: self._weekly(n, {"polygon": self._wkt(n)}),
            "polygon, weekdays and time": lambda n: self._weekly(
                n, {"polygon": self._wkt(n), **_TIMES[n % len(_TIMES)]}
            ),
            "profile of a box": lambda n: "/trips/profile?" + self._query(n, {"bbox": self._boxes[n].bbox}),
            "profile of a polygon": lambda n: "/trips/profile?" + self._query(n, {"polygon": self._wkt(n)}),
        }
        for kind, path in kinds.items():
            yield self._ask(path(number % len(self._boxes)) for number in range(count)).row(
                f"{kind}, {state}"
            )
        times: tuple[dict[str, str], ...] = ({}, *_TIMES)
        matrices = (
            f"/trips/matrix?{urlencode({'region': region, 'zones': 'all', **times[number % len(times)]})}"
            for number in range(min(count, _MATRICES))
        )
        yield self._ask(matrices).row(f"matrix of {_COLUMNS * _ROWS} zones, {state}")

    def _weekly(self, number: int, parameters: dict[str, str]) -> str:
        return "/trips/weekly?" + self._query(number, parameters)

    def _query(self, number: int, parameters: dict[str, str]) -> str:
        fixed = {"region": self._boxes[number].region, "match": MODES[number % len(MODES)]}
        return urlencode(fixed | parameters)

    def _wkt(self, number: int) -> str:
        return "POLYGON((" + ",".join(f"{x!r} {y!r}" for x, y in self._polygons[number].tolist()) + "))"

    def _ask(self, paths: Iterator[str]) -> Asked:
        asked = Asked()
        for path in paths:
            begun = time.perf_counter()
            status, _ = self._request("GET", path)
            if status == http.client.OK:
                asked.seconds.append(time.perf_counter() - begun)
            else:
                asked.not_ok += 1
        return asked

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request(method, f"/api/v1{path}", body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def star(box: BoxQuery, vertices: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A closed ring with an irregular, concave border that reaches the sides of a box; shape (vertices + 1, 2)."""
    angles = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    reach = rng.uniform(0.7, 1.0, vertices)
    centre = np.array([(box.west + box.east) / 2, (box.south + box.north) / 2])
    half = np.array([(box.east - box.west) / 2, (box.north - box.south) / 2])
    ring = centre + half * np.column_stack([reach * np.cos(angles), reach * np.sin(angles)])
    return np.vstack([ring, ring[:1]])
