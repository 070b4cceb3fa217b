"""Vehicles for a day of thousands of departures: exact rosters, while the service goes on answering."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from tests.integration.api.running import Service, running
from tests.unit.core.clustering.scenarios import great_circle_m

DEPARTURES = 5_000
CAPACITY, DETOUR, TURNAROUND_S = 8, 1.3, 300
WEEK = date(2018, 5, 28)


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with a region of many shifts."""
    rng = np.random.default_rng(4)
    places = np.array([7.68, 45.07, 7.68, 45.07]) + rng.normal(0, 0.06, (DEPARTURES, 4))
    minutes = rng.integers(5 * 60, 22 * 60, DEPARTURES)
    riders = rng.gamma(2.0, 3.0, DEPARTURES) + 1
    with psycopg.connect(database_url, autocommit=True) as connection:
        (region_id,) = connection.execute(
            "INSERT INTO shifts_store.regions (name) VALUES ('Turin') RETURNING region_id"
        ).fetchall()[0]
        connection.execute(
            "INSERT INTO shifts_store.region_weeks (region_id, week, revision, changed_at, stale_since)"
            " VALUES (%s, %s, 1, now(), now())",
            [region_id, WEEK],
        )
        connection.execute(
            "INSERT INTO shifts_store.shift_makings VALUES (%s, %s, '{}', '{}', '{}', '', '', 0, 0, 0, now(), '')",
            [region_id, WEEK],
        )
        connection.execute(
            """
            INSERT INTO shifts_store.shifts (region_id, week, rank, shift_id, weekdays, departs, earliest, latest,
                riders, riders_low, riders_high, regularity, weeks, first_week, status, trips, pickup, dropoff,
                pickup_walk_m, pickup_walk_max_m, dropoff_walk_m, dropoff_walk_max_m, first_week_in_history,
                last_riders, last_departures, trip_ids)
            SELECT %s, %s, u.rank, u.rank, 127, '00:00'::time + u.minute * interval '1 minute', '00:00', '23:59:59',
                u.riders, 1, 9, 1, 4, %s, 'new', 1, ST_SetSRID(ST_MakePoint(u.x0, u.y0), 4326),
                ST_SetSRID(ST_MakePoint(u.x1, u.y1), 4326), 0, 0, 0, 0, %s, 1, 1, ARRAY[u.rank]
            FROM unnest(%s::integer[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[])
                WITH ORDINALITY AS u (minute, riders, x0, y0, x1, y1, rank)
            """,
            [region_id, WEEK, WEEK, WEEK, minutes.tolist(), riders.tolist(), *places.T.tolist()],
        )
    folder: Path = tmp_path_factory.mktemp("fleet")
    with running(Service(database_url, dagster_database_url, folder / "in", folder / "api.log")) as found:
        yield found


def ask(service: Service) -> dict[str, Any]:
    parameters: dict[str, str | int] = {"region": "Turin", "weekday": "tue", "capacity": CAPACITY}
    answer = httpx.get(f"{service.api}/fleet", params=parameters, timeout=300)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_other_requests_are_answered_while_a_large_fleet_is_planned(service: Service) -> None:
    answered = 0
    with ThreadPoolExecutor() as pool, httpx.Client(base_url=service.api, timeout=300) as client:
        fleet = pool.submit(ask, service)
        while not fleet.done():
            assert client.get("/shifts", params={"region": "Turin", "limit": 1}).status_code == 200
            answered += not fleet.done()
    # Seconds of work in one piece would leave time for one or two.
    assert answered >= 20
    check(fleet.result())


def check(fleet: dict[str, Any]) -> None:
    """Each departure is driven by as many vehicles as its riders need, and no vehicle is in two places."""
    assert fleet["departures"] == DEPARTURES
    assert fleet["vehicles"] == len(fleet["rosters"])
    entries = [entry for roster in fleet["rosters"] for entry in roster]
    on_board: Counter[int] = Counter()
    for entry in entries:
        on_board[entry["rank"]] += entry["riders"]
        assert entry["riders"] <= CAPACITY
    assert sorted(on_board) == list(range(1, DEPARTURES + 1))
    driven = Counter(entry["rank"] for entry in entries)
    assert all(driven[rank] == -(-riders // CAPACITY) for rank, riders in on_board.items())
    for roster in fleet["rosters"]:
        for entry, following in pairwise(roster):
            way_s = driving_s(entry["pickup"], entry["dropoff"]) + driving_s(
                entry["dropoff"], following["pickup"]
            )
            assert clock_s(entry["departs"]) + way_s + TURNAROUND_S <= clock_s(following["departs"]) + 0.1


def driving_s(origin: list[float], destination: list[float]) -> float:
    return float(great_circle_m(np.array([origin]), np.array([destination]))[0]) * DETOUR / (25 / 3.6)


def clock_s(clock: str) -> int:
    hours, minutes = clock.split(":")
    return 3600 * int(hours) + 60 * int(minutes)
