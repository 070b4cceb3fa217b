"""Asks a service the questions of planners, one client for each kind, and keeps the times of the answers."""

import http.client
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from bench.asked_boxes import Asked
from bench.planner_questions import Question, feature_collection, matrices, questions, zones
from bench.stats_boxes import BoxQuery

HEAD = "| question | answers | p50 | p95 | worst | errors |\n|---|--:|--:|--:|--:|--:|"
_MATRICES = 10


def rows(port: int, boxes: Sequence[BoxQuery], state: str) -> Iterator[str]:
    """Asks a question of each kind around each box, and for a few matrices; a row of the table for each kind."""
    for kind, asked in (questions(boxes, in_all_modes=True) | matrices(boxes[0], _MATRICES)).items():
        yield _ask(port, asked).row(f"{kind}, {state}")


def store_zones(port: int, ends: NDArray[np.float64], region: str) -> None:
    """Stores 50 zones of a region.

    Raises:
        RuntimeError: the service refuses them.
    """
    status, answer = request(
        port, "POST", f"/zones?{urlencode({'region': region})}", feature_collection(zones(ends))
    )
    if status != http.client.CREATED:
        raise RuntimeError(answer.decode())


def _ask(port: int, asked: Sequence[Question]) -> Asked:
    found = Asked()
    for question in asked:
        begun = time.perf_counter()
        status, _ = request(port, "GET", question.path)
        if status == http.client.OK:
            found.seconds.append(time.perf_counter() - begun)
        else:
            found.not_ok += 1
    return found


def request(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    """The status and the body of an answer, on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, f"/api/v1{path}", body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
