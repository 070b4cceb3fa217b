"""Answers for random boxes equal plain SQL while data is loaded, refreshed and replaced."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg

from shifts_core.time_filter import WEEKDAYS
from shifts_core.weekly_mean import Weeks
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, posted, running, trip
from tests.integration.pipeline.harness import HEADER, Pipeline

REGION = "Anywhere"
MATCHES = ("both", "origin", "destination", "any")
WEEKS: tuple[Weeks, ...] = ("active", "span", "full")
_ONE_WEEK = timedelta(weeks=1)

# Independent of the SQL of the API.
_COUNT = """
    SELECT date_trunc('week', started_at)::date, count(*)
    FROM (SELECT started_at,
                 ST_Y(origin) >= %(south)s AND ST_Y(origin) <= %(north)s AND {across} AS o,
                 ST_Y(destination) >= %(south)s AND ST_Y(destination) <= %(north)s AND {across_too} AS d
          FROM shifts.trips WHERE region = %(region)s) AS t
    WHERE ({match}) AND {times} GROUP BY 1
"""
_MATCH = {"both": "o AND d", "origin": "o", "destination": "d", "any": "o OR d"}


class Trips:
    """Random trips as files: repeated places, short decimals, float64 values, many near the antimeridian."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.places = np.round(self.rng.normal([179.98, -17.0], 0.05, (40, 2)), 2)

    def csv(self, rows: int) -> str:
        """The text of a file."""
        return HEADER + "".join(self._row() for _ in range(rows))

    def _row(self) -> str:
        (x0, y0), (x1, y1) = self._place(), self._place()
        moment = datetime(2020, 12, 21) + timedelta(seconds=int(self.rng.integers(0, 4 * 7 * 86_400)))
        return f"{REGION},POINT ({x0!r} {y0!r}),POINT ({x1!r} {y1!r}),{moment},random\n"

    def _place(self) -> tuple[float, float]:
        kind = self.rng.integers(0, 3)
        lon, lat = self.places[self.rng.integers(0, len(self.places))].tolist()
        if kind == 1:
            lon, lat = np.round(
                self.rng.normal([180, -17], [0.1, 0.1]), int(self.rng.integers(4, 8))
            ).tolist()
        elif kind == 2:
            lon, lat = self.rng.normal([180, -17], [0.1, 0.1]).tolist()
        return (lon + 180) % 360 - 180 if abs(lon) > 180 else lon, lat

    def times(self) -> tuple[dict[str, str], str]:
        """Random weekdays and window: as parameters of the API, and as a SQL condition."""
        parameters, conditions = {}, ["true"]
        if self.rng.random() < 0.5:
            days = sorted(self.rng.choice(7, int(self.rng.integers(1, 7)), replace=False).tolist())
            parameters["weekdays"] = ",".join(WEEKDAYS[day] for day in days)
            conditions.append(f"extract(isodow FROM started_at) - 1 IN ({','.join(map(str, days))})")
        if self.rng.random() < 0.6:
            start, end = (
                f"{minute // 60:02}:{minute % 60:02}" for minute in self.rng.choice(1440, 2, replace=False)
            )
            parameters["time"] = f"{start}-{end}"
            word = "AND" if start < end else "OR"
            conditions.append(f"(started_at::time >= '{start}' {word} started_at::time < '{end}')")
        return parameters, " AND ".join(conditions)

    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north; sides often run through places, boxes often cross the antimeridian."""
        (a, b), (c, d) = (self._place(), self._place())
        if self.rng.random() < 0.5:
            a, c = min(a, c), max(a, c)
        return a, min(b, d), c, max(b, d)


def counted(
    database: psycopg.Connection, box: tuple[float, ...], match: str, times: str = "true"
) -> dict[date, int]:
    """Matching trips by week, by plain SQL."""
    west, south, east, north = box
    word = "AND" if west <= east else "OR"
    across = f"(ST_X({{end}}) >= %(west)s {word} ST_X({{end}}) <= %(east)s)"
    statement = _COUNT.format(
        across=across.format(end="origin"),
        across_too=across.format(end="destination"),
        match=_MATCH[match],
        times=times,
    )
    sides = {"west": west, "south": south, "east": east, "north": north, "region": REGION}
    return dict(database.execute(statement, sides).fetchall())


def divisor(database: psycopg.Connection, weeks: str, trips: dict[date, int]) -> int:
    """The number of weeks that the mean divides by, counted on the calendar."""
    if weeks == "active":
        return len(trips)
    row = database.execute(
        "SELECT min(started_at), max(started_at) FROM shifts.trips WHERE region = %s", [REGION]
    ).fetchone()
    assert row is not None
    days = [row[0].date() + timedelta(days=n) for n in range((row[1].date() - row[0].date()).days + 1)]
    by_week: dict[Any, int] = {}
    for day in days:
        by_week[day.isocalendar()[:2]] = by_week.get(day.isocalendar()[:2], 0) + 1
    return len(by_week) if weeks == "span" else sum(1 for n in by_week.values() if n == 7)


def agrees(client: httpx.Client, database: psycopg.Connection, trips: Trips, boxes: int) -> None:
    """Requests random boxes and compares every answer with plain SQL."""
    for number in range(boxes):
        box = trips.box()
        for match in MATCHES:
            weeks = WEEKS[number % 3]
            parameters, condition = trips.times() if number % 2 else ({}, "true")
            found = client.get(
                "/trips/weekly",
                params={
                    "region": REGION,
                    "bbox": ",".join(map(repr, box)),
                    "match": match,
                    "weeks": weeks,
                    **parameters,
                },
            ).json()
            expected = counted(database, box, match, condition)
            assert found["filter"]["time"] == parameters.get("time")
            assert ",".join(found["filter"]["weekdays"] or []) == parameters.get("weekdays", "")
            by = divisor(database, weeks, expected)
            if weeks == "full":
                expected = {w: n for w, n in expected.items() if _is_full(database, w)}
            total = sum(expected.values())
            assert {date.fromisoformat(w["monday"]): w["trips"] for w in found["series"]} == expected, box
            assert (found["total_trips"], found["num_weeks"]) == (total, by), (box, match, weeks)
            assert found["mean"] == (total / by if total else None)
            if match == "both" and weeks == "active" and box[0] <= box[2] and not parameters:
                corners = {"southest": f"{box[0]!r},{box[1]!r}", "nortest": f"{box[2]!r},{box[3]!r}"}
                stats = client.get("/trips/stats", params={"region": REGION, **corners}).json()
                assert stats == {"mean": found["mean"]}


def _is_full(database: psycopg.Connection, monday: date) -> bool:
    row = database.execute(
        "SELECT min(started_at)::date <= %s AND max(started_at)::date >= %s FROM shifts.trips WHERE region = %s",
        [monday, monday + timedelta(days=6), REGION],
    ).fetchone()
    return row == (True,)


def test_answers_equal_plain_sql_while_data_changes(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    _compare_while_data_changes(service, client, trips_db, Trips(1))


def test_answers_equal_plain_sql_without_memory_for_tiles(
    service: Service, trips_db: psycopg.Connection, tmp_path: Path
) -> None:
    without_memory = replace(
        service, port=0, process=None, log=tmp_path / "api.log", more={"SHIFTS_API_TILES_BYTES": "0"}
    )
    with running(without_memory), httpx.Client(base_url=without_memory.api, timeout=20) as client:
        _compare_while_data_changes(service, client, trips_db, Trips(2))


def _compare_while_data_changes(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection, trips: Trips
) -> None:
    """Loads, refreshes, posts and replaces trips, and compares answers after each step."""
    with pipeline_of(service) as pipeline:
        pipeline.put("a.csv", trips.csv(5000))
        pipeline.put("b.csv", trips.csv(3000))
        pipeline.load()
        agrees(client, trips_db, trips, 6)
        pipeline.refresh()
        agrees(client, trips_db, trips, 15)
        # Some trips are in tiles, others are pending.
        pipeline.put("c.csv", trips.csv(2000))
        pipeline.load()
        agrees(client, trips_db, trips, 6)
        one = trip(region=REGION, origin=[179.99, -17.0], destination=[-179.99, -17.0])
        one["timestamp"] = "2021-01-03 23:59:59"
        assert client.post("/trips", json=posted(one, one)).status_code == 201
        agrees(client, trips_db, trips, 6)
        # Trips that are in tiles are deleted.
        pipeline.put("a.csv", trips.csv(1000))
        pipeline.load()
        agrees(client, trips_db, trips, 6)
        pipeline.refresh()
        assert pipeline.query("SELECT count(*) FROM shifts_store.stale_weeks") == [(0,)]
        agrees(client, trips_db, trips, 9)


def test_answers_during_a_load_or_a_refresh_are_those_before_or_after_it(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    trips = Trips(3)
    with pipeline_of(service) as pipeline:
        pipeline.put("a.csv", trips.csv(2000))
        pipeline.load()
        pipeline.refresh()
        seen = _totals_while(client, lambda: _load(pipeline, "d.csv", trips.csv(4000)))
        before, after = seen[0], _total(client)
        assert after - before == 4000
        assert set(seen) <= {before, after}
        assert set(_totals_while(client, lambda: _refresh(pipeline))) == {after}
        replaced = _totals_while(client, lambda: _load(pipeline, "d.csv", trips.csv(10)))
        assert set(replaced) <= {after, before + 10}
        assert _total(client) == before + 10


def _load(pipeline: Pipeline, name: str, text: str) -> None:
    pipeline.put(name, text)
    assert all(run.success for run in pipeline.load())


def _refresh(pipeline: Pipeline) -> None:
    assert all(run.success for run in pipeline.refresh())


def _totals_while(client: httpx.Client, work: Callable[[], None]) -> list[int]:
    """Totals requested from before the work starts until it is done; at least two."""
    totals = [_total(client)]
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, timeout=20) as own:
            while True:
                last = done.is_set()
                totals.append(_total(own))
                if last:
                    return

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        work()
    finally:
        done.set()
        asking.join()
    return totals


def _total(client: httpx.Client) -> int:
    parameters = {"region": REGION, "bbox": "-180,-90,180,90"}
    return int(client.get("/trips/weekly", params=parameters).json()["total_trips"])
