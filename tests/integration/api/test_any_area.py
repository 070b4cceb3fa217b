"""Answers for random polygons equal plain SQL of PostGIS: borders, holes, weekdays and times, stale and fresh."""

from datetime import date
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import shapely

from shifts_core.polygons import Area, parse_geojson_area, to_geojson
from shifts_core.tiles.point_in_polygon import edges_of, point_in_area
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, posted, trip
from tests.integration.api.test_any_box import MATCHES, REGION, Trips
from tests.unit.core.tiles.random_areas import random_area

_MATCH = {"both": "o AND d", "origin": "o", "destination": "d", "any": "o OR d"}
_COUNT = """
    SELECT {columns}, count(*)
    FROM (SELECT started_at, ST_Intersects(ST_GeomFromWKB(%s, 4326), origin) AS o,
                 ST_Intersects(ST_GeomFromWKB(%s, 4326), destination) AS d
          FROM shifts.trips WHERE region = %s) AS t
    WHERE ({match}) AND {times} GROUP BY {columns} ORDER BY {columns}
"""
# Digits after the point: with fewer, and with its default, shapely does not write every float64 exactly.
_EXACT = 20
_WEEK = "date_trunc('week', started_at)::date"
_HOUR = "extract(isodow FROM started_at)::integer - 1, extract(hour FROM started_at)::integer"


@pytest.mark.parametrize("seed", range(40))
def test_points_are_in_polygons_as_postgis_says(trips_db: psycopg.Connection, seed: int) -> None:
    rng = np.random.default_rng(seed)
    decimals = int(rng.integers(0, 16))
    points = np.round(rng.normal([7.6, 45.0], 10.0 ** rng.integers(-7, 2), (200, 2)), decimals)
    points = np.clip(points, [-180, -90], [180, 90])
    for _ in range(10):
        area = random_area(rng, points)
        found = on_border(rng, area, points)
        edges = edges_of([area])
        counted = [point_in_area(*edges, 0, lon, lat) for lon, lat in found.tolist()]
        assert counted == by_postgis(trips_db, area, found), shapely.to_wkt(area, -1)


def on_border(rng: np.random.Generator, area: Area, points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Given points, and points on or a few bits beside sides, and beside corners."""
    corners = shapely.get_coordinates(area)
    at = rng.integers(0, len(corners) - 1, 100)
    share = rng.random((100, 1))
    on_sides = corners[at] + share * (corners[at + 1] - corners[at])
    beside = np.concatenate([on_sides, corners[at], np.stack([corners[at, 0], points[at % 200, 1]], axis=1)])
    steps = rng.integers(-2, 3, beside.shape)
    for _ in range(2):
        moved = steps != 0
        beside[moved] = np.nextafter(beside[moved], np.where(steps[moved] > 0, np.inf, -np.inf))
        steps -= np.sign(steps)
    return np.concatenate([points, on_sides, corners, beside])


def by_postgis(database: psycopg.Connection, area: Area, points: np.ndarray[Any, Any]) -> list[bool]:
    """Whether points intersect an area."""
    rows = database.execute(
        "SELECT ST_Intersects(ST_GeomFromWKB(%s, 4326), ST_SetSRID(ST_MakePoint(x, y), 4326))"
        " FROM unnest(%s::float8[], %s::float8[]) WITH ORDINALITY AS u (x, y, number) ORDER BY number",
        [shapely.to_wkb(area), points[:, 0].tolist(), points[:, 1].tolist()],
    )
    return [inside for (inside,) in rows]


def counted(
    database: psycopg.Connection, area: Area, match: str, times: str, columns: str
) -> list[tuple[Any, ...]]:
    """Matching trips by plain SQL."""
    statement = _COUNT.format(columns=columns, match=_MATCH[match], times=times)
    wkb = shapely.to_wkb(area)
    return database.execute(statement.encode(), [wkb, wkb, REGION]).fetchall()


def weekly_of_matches(
    database: psycopg.Connection, area: Area, times: str
) -> dict[str, list[tuple[date, int]]]:
    """Matching trips by week for each kind of match, by one plain statement."""
    filters = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in _MATCH.values())
    wkb = shapely.to_wkb(area)
    rows = database.execute(
        f"""
        SELECT {_WEEK}, {filters}
        FROM (SELECT started_at, ST_Intersects(ST_GeomFromWKB(%s, 4326), origin) AS o,
                     ST_Intersects(ST_GeomFromWKB(%s, 4326), destination) AS d
              FROM shifts.trips WHERE region = %s AND {times}) AS t
        GROUP BY 1 ORDER BY 1
        """.encode(),
        [wkb, wkb, REGION],
    ).fetchall()
    return {
        match: [(row[0], row[column]) for row in rows if row[column]]
        for column, match in enumerate(_MATCH, start=1)
    }


def agrees(client: httpx.Client, database: psycopg.Connection, trips: Trips, areas: int) -> int:
    """Requests random areas in all modes, compares every answer with plain SQL, and returns how many were."""
    points = np.array([trips._place() for _ in range(60)])
    for number in range(areas):
        area = random_area(trips.rng, points)
        times, condition = trips.times() if number % 2 else ({}, "true")
        expected = weekly_of_matches(database, area, condition)
        for match in MATCHES:
            question: dict[str, Any] = {"region": REGION, "match": match, **times}
            if number % 3:
                response = client.get(
                    "/trips/weekly", params=question | {"polygon": shapely.to_wkt(area, _EXACT)}
                )
            else:
                response = client.post("/trips/weekly", json=question | {"geometry": to_geojson(area)})
            answer = response.raise_for_status().json()
            series = [(date.fromisoformat(week["monday"]), week["trips"]) for week in answer["series"]]
            assert series == expected[match], (shapely.to_wkt(area, -1), match, times)
            assert shapely.equals_exact(parse_geojson_area(answer["filter"]["geometry"]), area)
    return areas * len(MATCHES)


def agrees_by_hour_and_zone(client: httpx.Client, database: psycopg.Connection, trips: Trips) -> None:
    """Compares profiles of areas and boxes, and matrices of overlapping zones, with plain SQL."""
    points = np.array([trips._place() for _ in range(60)])
    zones = {name: random_area(trips.rng, points) for name in ("A", "B", "C")}
    features = [
        {"type": "Feature", "geometry": to_geojson(area), "properties": {"name": name, "region": REGION}}
        for name, area in zones.items()
    ]
    collection = {"type": "FeatureCollection", "features": features}
    client.post("/zones", json=collection).raise_for_status()
    for number in range(4):
        times, condition = trips.times() if number % 2 else ({}, "true")
        for name, area in zones.items():
            match = MATCHES[number]
            question = {"region": REGION, "match": match, "zone": name, **times}
            found = client.get("/trips/profile", params=question).raise_for_status().json()
            wanted = np.zeros((7, 24), int)
            for day, hour, total in counted(database, area, match, condition, _HOUR):
                wanted[day, hour] = total
            weeks = len(counted(database, area, match, condition, _WEEK))
            assert found["total_trips"] == wanted.tolist()
            assert found["mean"] == (wanted / max(weeks, 1)).tolist()
        question = {"region": REGION, "zones": "all", **times}
        found = client.get("/trips/matrix", params=question).raise_for_status().json()
        assert found["zones"] == sorted(zones)
        lines = client.get("/trips/matrix", params=question | {"format": "csv"}).text.splitlines()[1:]
        for o, origin in enumerate(zones.values()):
            for d, destination in enumerate(zones.values()):
                rows = between(database, origin, destination, condition)
                total = sum(trips for _, trips in rows)
                assert found["total_trips"][o][d] == total
                mean = total / len(rows) if rows else None
                assert found["mean"][o][d] == mean
                text = "" if mean is None else repr(mean)
                assert lines[3 * o + d] == f"{'ABC'[o]},{'ABC'[d]},{text},{total}"
    box = trips.box()
    question = {"region": REGION, "bbox": ",".join(map(repr, box)), "match": "any"}
    hours = client.get("/trips/profile", params=question).raise_for_status().json()
    weekly = client.get("/trips/weekly", params=question).raise_for_status().json()
    assert np.sum(hours["total_trips"]) == weekly["total_trips"]
    assert np.isclose(np.sum(hours["mean"]), weekly["mean"] or 0.0)
    assert hours["num_weeks"] == weekly["num_weeks"]


def between(
    database: psycopg.Connection, origin: Area, destination: Area, times: str
) -> list[tuple[Any, ...]]:
    """Trips from one area to another by week, by plain SQL."""
    statement = f"""
        SELECT {_WEEK}, count(*) FROM shifts.trips
        WHERE region = %s AND ST_Intersects(ST_GeomFromWKB(%s, 4326), origin)
          AND ST_Intersects(ST_GeomFromWKB(%s, 4326), destination) AND {times} GROUP BY 1
    """
    parameters = [REGION, shapely.to_wkb(origin), shapely.to_wkb(destination)]
    return database.execute(statement.encode(), parameters).fetchall()


def answers_while_data_changes(
    service: Service, client: httpx.Client, database: psycopg.Connection, seed: int, cases: int
) -> int:
    """Compares answers before and after a refresh, a post and an upgrade; returns how many, at least `cases`."""
    trips, areas = Trips(seed), -(-cases // (4 * len(MATCHES)))
    found = 0
    with pipeline_of(service) as pipeline:
        pipeline.put("a.csv", trips.csv(4000))
        pipeline.put("b.csv", trips.csv(2000))
        pipeline.load()
        found += agrees(client, database, trips, areas)
        agrees_by_hour_and_zone(client, database, trips)
        pipeline.refresh()
        found += agrees(client, database, trips, areas)
        agrees_by_hour_and_zone(client, database, trips)
        one = trip(region=REGION, origin=[179.99, -17.0], destination=[-179.99, -17.0])
        one["timestamp"] = "2021-01-03 23:59:59"
        assert client.post("/trips", json=posted(one, one)).status_code == 201
        found += agrees(client, database, trips, areas)
        # Trips that no tile holds, as an older version left them, and tiles without minutes.
        pipeline.execute(
            "UPDATE shifts_store.file_week_counts SET aggregated = false WHERE week = '2020-12-21'"
        )
        pipeline.execute("DELETE FROM shifts_store.tile_segments WHERE week = '2020-12-21'")
        pipeline.execute(
            "UPDATE shifts_store.weekly_trip_tiles SET high_bits = substr(high_bits, 1, 8 * trips)"
            " WHERE week = '2020-12-28'"
        )
        pipeline.execute(
            "UPDATE shifts_store.region_weeks SET tiles_revision = nextval('shifts_store.revisions'),"
            " merged_revision = currval('shifts_store.revisions')"
        )
        found += agrees(client, database, trips, areas)
        agrees_by_hour_and_zone(client, database, trips)
    return found


def test_two_thousand_answers_equal_plain_sql_while_data_changes(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    assert answers_while_data_changes(service, client, trips_db, 11, 2_000) >= 2_000
