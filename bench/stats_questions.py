"""Compares planners' questions with DuckDB and its extension `spatial`, on the same trips, answer by answer."""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_spatial
import numpy as np

from bench.asked_questions import request
from bench.planner_questions import Question, matrices, questions, zones
from bench.stats_boxes import BoxQuery

_MATRICES = 4
_INSIDE = "{0} BETWEEN $west AND $east AND {1} BETWEEN $south AND $north"
_IN_POLYGON = _INSIDE + " AND ST_Intersects(ST_Point({0}, {1}), (SELECT ring FROM area))"
_SELECT = """
    WITH area AS (SELECT ST_GeomFromText($wkt) AS ring)
    SELECT {group}, count(*) FROM trips
    WHERE region_id = $region_id AND {origin} AND {destination} AND {times} GROUP BY 1
"""
_MATRIX = """
    WITH chosen AS (SELECT x0, y0, x1, y1 FROM trips WHERE region_id = $region_id AND {times})
    SELECT o.name, d.name, count(*) FROM chosen
    JOIN zones o ON x0 BETWEEN o.west AND o.east AND y0 BETWEEN o.south AND o.north
        AND ST_Intersects(ST_Point(x0, y0), o.ring)
    JOIN zones d ON x1 BETWEEN d.west AND d.east AND y1 BETWEEN d.south AND d.north
        AND ST_Intersects(ST_Point(x1, y1), d.ring)
    GROUP BY 1, 2
"""


def prepare(duck: duckdb.DuckDBPyConnection, ends: Any) -> None:
    """Loads the extension, and stores the zones in a temporary table."""
    (extension,) = Path(duckdb_extension_spatial.__path__[0]).rglob("spatial.duckdb_extension")
    duck.load_extension(str(extension))
    duck.execute(
        "CREATE TEMP TABLE zones (name VARCHAR, ring GEOMETRY, west DOUBLE, south DOUBLE, east DOUBLE, north DOUBLE)"
    )
    for name, ring in zones(ends).items():
        wkt = Question(BoxQuery("", 0, 0, 0, 0, 0, 0), ring).wkt
        (west, south), (east, north) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
        duck.execute(
            "INSERT INTO zones VALUES (?, ST_GeomFromText(?), ?, ?, ?, ?)",
            [name, wkt, west, south, east, north],
        )


def rows(
    port: int, duck: duckdb.DuckDBPyConnection, boxes: Sequence[BoxQuery], say: Callable[[str], None]
) -> tuple[list[str], int]:
    """A row of the table for each kind of question, and the number of answers that differ."""
    lines, wrong = [], 0
    for kind, asked in (questions(boxes, in_all_modes=False) | matrices(boxes[0], _MATRICES)).items():
        say(kind)
        ours, theirs = [], []
        for question in asked:
            begun = time.perf_counter()
            status, body = request(port, "GET", question.path)
            ours.append(time.perf_counter() - begun)
            if status != http.client.OK:
                raise RuntimeError(f"{status}: {body[:200]!r}")
            begun = time.perf_counter()
            counted = _duckdb(duck, question)
            theirs.append(time.perf_counter() - begun)
            wrong += _counts(question, json.loads(body)) != counted
        (p50, p95), others = np.quantile(ours, [0.5, 0.95]), np.quantile(theirs, [0.5, 0.95])
        lines.append(
            f"| {kind} | {len(asked)} | {1000 * p50:,.1f} ms | {1000 * p95:,.1f} ms | {1000 * others[0]:,.1f} ms"
            f" | {1000 * others[1]:,.1f} ms | {others[0] / p50:,.1f} × | {others[1] / p95:,.1f} × |"
        )
    return lines, wrong


HEAD = (
    "| question | answers | Shifts p50 | p95 | DuckDB p50 | p95 | Shifts is, p50 | Shifts is, p95 |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|"
)


def _duckdb(duck: duckdb.DuckDBPyConnection, question: Question) -> dict[Any, int]:
    ranges = question.times.minute_ranges().tolist()
    times = "(" + " OR ".join(f"minute >= {first} AND minute < {stop}" for first, stop in ranges) + ")"
    parameters: dict[str, Any] = {"region_id": question.box.region_id}
    if question.call == "matrix":
        found = duck.execute(_MATRIX.format(times=times), parameters).fetchall()
        return {(origin, destination): trips for origin, destination, trips in found}
    sides: Any = {name: getattr(question.box, name) for name in ("west", "south", "east", "north")}
    inside = _INSIDE
    parameters["wkt"] = "POINT(0 0)"
    if question.ring is not None:
        low, high = question.ring.min(axis=0).tolist(), question.ring.max(axis=0).tolist()
        sides = dict(zip(("west", "south", "east", "north"), (*low, *high), strict=True))
        inside, parameters["wkt"] = _IN_POLYGON, question.wkt
    statement = _SELECT.format(
        group="minute // 60" if question.call == "profile" else "week::VARCHAR",
        origin=inside.format("x0", "y0"),
        destination=inside.format("x1", "y1"),
        times=times,
    )
    return dict(duck.execute(statement, parameters | sides).fetchall())


def _counts(question: Question, answer: Any) -> dict[Any, int]:
    """The counts of an answer of ours in the form of DuckDB's, without zeros."""
    if question.call == "weekly":
        return {week["monday"]: week["trips"] for week in answer["series"] if week["trips"]}
    if question.call == "profile":
        hours = (trips for of_day in answer["total_trips"] for trips in of_day)
        return {hour: trips for hour, trips in enumerate(hours) if trips}
    names = answer["zones"]
    return {
        (names[origin], names[destination]): trips
        for origin, of_origin in enumerate(answer["total_trips"])
        for destination, trips in enumerate(of_origin)
        if trips
    }
