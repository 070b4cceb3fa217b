"""Requests for statistics and clusters; each answer is compared with the model at that time."""

import random
from collections import Counter
from datetime import date
from typing import Any

import httpx

from tests.soak.boxes import MATCHES, WORLD, Box, random_box
from tests.soak.calls import Caller
from tests.soak.contents import FIRST_WEEK, POST_REGIONS, REGIONS, WEEKS, monday, random_trips
from tests.soak.model import Bounds, Model
from tests.soak.report import Report

ALL_REGIONS = tuple(sorted({*REGIONS, *POST_REGIONS}))
MAX_RADIUS_M = 500.0
MIN_TRIPS = 5


class Questions:
    """Asks for statistics and clusters; an answer must contain what is certain and nothing that is impossible."""

    def __init__(self, model: Model, caller: Caller, rng: random.Random, report: Report) -> None:
        self._model, self._caller, self._rng, self._report = model, caller, rng, report

    def ask(self) -> None:
        """Sends one request."""
        self._rng.choices((self._weekly, self._stats, self._regions, self._clusters), (5, 3, 1, 2))[0]()

    def _weekly(self) -> None:
        region, box, match = self._region(), self._box(), self._rng.choice(MATCHES)
        question = self._model.ask(region, box, match)
        parameters = {"region": region, "bbox": box.text, "match": match}
        answer = self._caller.send("GET /trips/weekly", "GET", "/trips/weekly", params=parameters)
        bounds = self._model.bounds(question)
        if (body := self._body("GET /trips/weekly", answer, bounds)) is None:
            return
        series = Counter(
            {week_of(date.fromisoformat(week["monday"])): week["trips"] for week in body["series"]}
        )
        wrong = {
            str(monday(week)): f"{bounds.at_least[week]} <= {series[week]} <= {bounds.at_most[week]}"
            for week in {*series, *bounds.at_least, *bounds.at_most}
            if not bounds.at_least[week] <= series[week] <= bounds.at_most[week]
        }
        if wrong or body["total_trips"] != series.total():
            self._report.finding("weekly statistics out of bounds", **parameters, wrong=wrong, body=body)
        self._report.check("weekly statistics within bounds")

    def _stats(self) -> None:
        region, box = self._region(), self._box()
        question = self._model.ask(region, box, "both")
        parameters = {
            "region": region,
            "nortest": f"{box.east!r},{box.north!r}",
            "southest": f"{box.west!r},{box.south!r}",
        }
        answer = self._caller.send("GET /trips/stats", "GET", "/trips/stats", params=parameters)
        bounds = self._model.bounds(question)
        if (body := self._body("GET /trips/stats", answer, bounds)) is None:
            return
        mean = body["mean"]
        weeks = len(+bounds.at_least)
        # The mean's divisor is known only if both bounds have trips in the same weeks.
        known = weeks == len(+bounds.at_most)
        if known and weeks:
            least, most = bounds.at_least.total() / weeks, bounds.at_most.total() / weeks
            if mean is None or not least - 1e-9 <= mean <= most + 1e-9:
                self._report.finding("mean out of bounds", **parameters, mean=mean, least=least, most=most)
        elif known and mean is not None:
            self._report.finding("mean of trips that do not exist", **parameters, mean=mean)
        self._report.check("means within bounds", int(known))

    def _regions(self) -> None:
        questions = {region: self._model.ask(region, WORLD, "any") for region in ALL_REGIONS}
        answer = self._caller.send("GET /regions", "GET", "/regions")
        if answer is None or answer.status_code != httpx.codes.OK:
            return
        counted = {region["region"]: region["trips"] for region in answer.json()["regions"]}
        for region, question in questions.items():
            bounds = self._model.bounds(question)
            least, most = bounds.at_least.total(), bounds.at_most.total()
            if not least <= counted.get(region, 0) <= most:
                self._report.finding(
                    "trips of a region out of bounds",
                    region=region,
                    trips=counted.get(region, 0),
                    least=least,
                    most=most,
                )
        self._report.check("lists of regions within bounds")

    def _clusters(self) -> None:
        week = f"{monday(week_of(FIRST_WEEK) + self._rng.randrange(WEEKS)):%G-W%V}"
        parameters = {"region": self._region(), "week": week, "limit": "200"}
        answer = self._caller.send("GET /clusters", "GET", "/clusters", params=parameters)
        if answer is None or answer.status_code != httpx.codes.OK:
            return
        features = answer.json()["features"]
        for feature in features:
            properties = feature["properties"]
            if properties["trips"] < MIN_TRIPS or properties["radius_m"] > MAX_RADIUS_M:
                self._report.finding("a cluster breaks its promise", **parameters, cluster=properties)
        self._report.check("lists of clusters")
        if features:
            self._members(self._rng.choice(features)["properties"])

    def _members(self, cluster: dict[str, Any]) -> None:
        path = f"/clusters/{cluster['cluster_id']}/trips"
        answer = self._caller.send("GET /clusters/{id}/trips", "GET", path, params={"limit": "1000"})
        # It may have been replaced since; the same id always means the same trips.
        if answer is None or answer.status_code != httpx.codes.OK:
            return
        body = answer.json()
        # Trips of a replaced file are missing until its weeks are clustered again.
        if len(body["trips"]) > cluster["trips"]:
            self._report.finding("a cluster with other trips", cluster=cluster, trips=len(body["trips"]))
        self._report.check("clusters with their trips")

    def _region(self) -> str:
        return self._rng.choice(ALL_REGIONS)

    def _box(self) -> Box:
        return random_box(self._rng, random_trips(self._rng, 4, ALL_REGIONS))

    def _body(self, call: str, answer: httpx.Response | None, bounds: Bounds) -> dict[str, Any] | None:
        """The body of the response; None if there is nothing to compare."""
        if answer is None or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None
        if answer.status_code == httpx.codes.BAD_REQUEST and "not found" in answer.text:
            if bounds.at_least:
                self._report.finding(
                    "a region with trips is not found", call=call, url=str(answer.request.url)
                )
            return None
        if answer.status_code != httpx.codes.OK:
            self._report.finding(
                "a question was refused", call=call, status=answer.status_code, body=answer.text[:300]
            )
            return None
        body: dict[str, Any] = answer.json()
        return body


def week_of(day: date) -> int:
    return (day - date(1969, 12, 29)).days // 7
