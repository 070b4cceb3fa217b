"""Compares the API's answers for boxes with SQL over the trips while a platform works."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType

from bench.asked_boxes import MODES, ask
from bench.stats_boxes import BoxQuery

_PLAIN = """
    SELECT date_trunc('week', started_at)::date::text, count(*) FROM shifts.trips
    WHERE region = '{region}' AND {condition} GROUP BY 1
"""
_INSIDE = (
    "(ST_X({end}) BETWEEN {box.west!r} AND {box.east!r}"
    " AND ST_Y({end}) BETWEEN {box.south!r} AND {box.north!r})"
)
_JOINS = {"both": "{0} AND {1}", "origin": "{0}", "destination": "{1}", "any": "({0} OR {1})"}


class ComparedBoxes:
    """Compares one box after the other in all four modes; once started, until the exit.

    SQL counts before and after each question. Between the two counts a commit may bring or replace trips, so an
    answer is right if it equals either.
    """

    def __init__(
        self,
        query: Callable[[str], list[tuple[str, int]]],
        port: int,
        boxes: list[BoxQuery],
        state: Callable[[], str],
    ) -> None:
        self._query = query
        self._state = state
        self._port = port
        self._questions = itertools.cycle(itertools.product(boxes, MODES))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._compare_all, daemon=True)
        self.right: Counter[str] = Counter()
        """By state."""
        self.wrong: Counter[str] = Counter()

    def __enter__(self) -> "ComparedBoxes":
        return self

    def start(self) -> None:
        """Starts to compare in a thread."""
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def compare(self, count: int) -> None:
        """Compares the next questions."""
        for box, mode in itertools.islice(self._questions, count):
            state = self._state()
            before = self._counted(box, mode)
            status, answer = ask(self._port, box, mode)
            if status != HTTPStatus.OK and not before:
                continue
            equal = answer == before or answer == self._counted(box, mode)
            (self.right if equal else self.wrong)[state] += 1

    def _compare_all(self) -> None:
        while not self._stop.is_set():
            self.compare(1)

    def _counted(self, box: BoxQuery, mode: str) -> dict[str, int]:
        ends = [_INSIDE.format(end=end, box=box) for end in ("origin", "destination")]
        return dict(self._query(_PLAIN.format(region=box.region, condition=_JOINS[mode].format(*ends))))
