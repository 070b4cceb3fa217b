"""Statistics of every region, compared with a count trip by trip and with plain SQL."""

import random
from collections import Counter
from typing import Any

import httpx
import numpy as np

from tests.soak.boxes import MATCHES, WORLD, Box, Match, random_box, weekly_counts
from tests.soak.contents import Trips, monday
from tests.soak.platform import SoakPlatform
from tests.soak.questions import ALL_REGIONS, week_of
from tests.soak.report import Report

_BOXES_PER_REGION = 30
_SQL_BOXES_PER_REGION = 4


class StatisticsCheck:
    """Compares the API's answers for random boxes with the database."""

    def __init__(self, platform: SoakPlatform, rng: random.Random, report: Report) -> None:
        self._platform, self._rng, self._report = platform, rng, report

    def check(self, truth: Trips) -> None:
        """Checks all trips and random boxes of every region with every `match`."""
        for region in ALL_REGIONS:
            trips = truth.of_region(region)
            if len(trips) == 0:
                continue
            for number in range(_BOXES_PER_REGION):
                box = WORLD if number == 0 else random_box(self._rng, trips)
                match = MATCHES[number % len(MATCHES)]
                wanted = weekly_counts(trips, box, match)
                self._check_answer(region, box, match, wanted)
                if number < _SQL_BOXES_PER_REGION:
                    self._check_sql(region, box, match, wanted)

    def _check_answer(self, region: str, box: Box, match: Match, wanted: Counter[int]) -> None:
        parameters = {"region": region, "bbox": box.text, "match": match}
        body = self._get("/trips/weekly", parameters)
        series = {_iso_week(week["monday"]): week["trips"] for week in body.get("series", [])}
        mean = wanted.total() / len(wanted) if wanted else None
        if series != dict(wanted) or body.get("mean") != mean:
            self._report.finding(
                "final statistics are wrong",
                **parameters,
                answered={str(monday(week)): count for week, count in series.items()},
                wanted={str(monday(week)): count for week, count in wanted.items()},
                mean=body.get("mean"),
            )
        self._report.check("final statistics")

    def _check_sql(self, region: str, box: Box, match: Match, wanted: Counter[int]) -> None:
        inside = "ST_X({0}) BETWEEN %(west)s AND %(east)s AND ST_Y({0}) BETWEEN %(south)s AND %(north)s"
        origin, destination = inside.format("origin"), inside.format("destination")
        condition = {
            "both": f"({origin}) AND ({destination})",
            "any": f"({origin}) OR ({destination})",
            "origin": origin,
            "destination": destination,
        }[match]
        rows = self._platform.query(
            "SELECT date_trunc('week', started_at)::date, count(*) FROM shifts.trips"
            f" WHERE region = %(region)s AND ({condition}) GROUP BY 1",
            {"region": region, **vars(box)},
        )
        if {week_of(week): count for week, count in rows} != dict(wanted):
            self._report.finding("SQL counts differ from the model", region=region, box=box.text, match=match)
        self._report.check("final statistics in SQL")

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        answer = httpx.get(f"{self._platform.api}/api/v1{path}", params=parameters, timeout=60)
        if answer.status_code != httpx.codes.OK:
            self._report.finding(
                "the final question is refused", path=path, status=answer.status_code, body=answer.text[:300]
            )
            return {}
        body: dict[str, Any] = answer.json()
        return body


def _iso_week(text: object) -> int:
    return week_of(np.datetime64(str(text)).astype(object))
