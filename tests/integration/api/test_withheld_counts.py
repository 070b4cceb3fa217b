"""Where `SHIFTS_MIN_COUNT` is set, no call gives all but admins exact counts, single trips or times."""

import json
import math
from collections.abc import Iterator
from itertools import islice

import httpx
import numpy as np
import psycopg
import pytest

from shifts_api.access.min_count import ANSWERS
from tests.integration.api.access_table import TABLE, Call
from tests.integration.api.access_world import LATITUDES, RAW, RIGHTS, SOURCE, World, world_of
from tests.integration.api.running import publish, read_events
from tests.integration.api.test_access import _send
from tests.integration.api.test_maps import opacity

K = 5
"""The commutes of the world have six riders a day."""
OTHERS = [who for who, rights in RIGHTS.items() if rights.role != "admin"]


@pytest.fixture(scope="module")
def world(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with world_of(database_url, dagster_database_url, tmp_path_factory.mktemp("withheld"), K) as found:
        yield found


def _how(place: str) -> str:
    method, _, path = place.partition(" ")
    path = path.removeprefix("/api/v1").replace("{name}", "{name:path}")
    return ANSWERS.get((method, path), "no counts")


def _reads() -> Iterator[tuple[str, Call]]:
    for place, calls in TABLE.items():
        if place.split(" ")[0] == "GET" or place == "POST /api/v1/trips/weekly":
            for call in calls:
                yield place, call


@pytest.mark.parametrize("who", [*OTHERS, "admin"])
def test_single_trips_are_refused_and_everything_else_is_as_before(world: World, who: str) -> None:
    for place, call in _reads():
        status = _send(world, who, place, call).status_code
        refused = _how(place) == "refused" and who != "admin"
        assert status == (403 if refused else call.statuses[who]), (place, call.url)


@pytest.mark.parametrize("who", OTHERS)
def test_no_answer_has_a_place_a_time_a_source_or_a_row(world: World, who: str) -> None:
    secrets = [*(str(latitude)[:7] for latitude in LATITUDES.values()), SOURCE, RAW, "08:21:00", "08:24:00"]
    seen = 0
    for place, call in _reads():
        if call.statuses[who] == 200 and place != "GET /api/v1/events":
            answer = _send(world, who, place, call)
            if answer.status_code == 200 and not answer.headers["Content-Type"].startswith("application/zip"):
                assert not [secret for secret in secrets if secret in answer.text], (place, call.url)
                seen += 1
    assert seen > 10


def test_answers_have_clusters_shifts_and_cells(world: World) -> None:
    (cluster,) = world.get("reader", "/clusters", region="Turin", week="2018-W22").json()["features"]
    exact = world.get("admin", "/clusters", region="Turin", week="2018-W22", min_trips=K).json()["features"]
    assert cluster["properties"]["trips"] == exact[0]["properties"]["trips"] // K * K
    assert cluster["properties"]["share_of_bin"] is None
    assert cluster["geometry"]["coordinates"][0] == pytest.approx([7.67, 45.01])
    shifts = world.get("reader", "/shifts", region="Turin").json()["features"]
    assert shifts
    assert {shift["properties"]["riders"] for shift in shifts} == {K}
    (region, _) = world.get("reader", "/regions").json()["regions"]
    assert region["first_at"].endswith("T00:00:00")
    assert region["last_at"].endswith("T23:59:59")


def test_cells_are_drawn_and_have_all_trips_of_the_answer(world: World) -> None:
    parameters = {"region": "Turin", "bbox": "7,44,8,48", "cells": "true"}
    answer = world.get("reader", "/trips/weekly", **parameters).json()
    by_end: dict[str, int] = {"origin": 0, "destination": 0}
    for cell in answer["cells"]:
        assert cell["trips"] >= K
        by_end[cell["end"]] += cell["trips"]
    assert set(by_end.values()) == {answer["total_trips"]}
    inside = [cell["box"] for cell in answer["cells"] if cell["end"] == "origin"]
    north = LATITUDES["Turin"]
    assert any(box["south"] <= north <= box["north"] and box["west"] <= 7.67 <= box["east"] for box in inside)
    question = {"region": "Turin", "bbox": "7,44,8,48", "cells": True, "match": "origin"}
    posted = httpx.post(
        f"{world.service.api}/trips/weekly", json=question, headers=world.headers("reader")
    ).json()
    assert {cell["end"] for cell in posted["cells"]} == {"origin"}
    polygon = {"region": "Turin", "polygon": "POLYGON((7 44,8 44,8 48,7 48,7 44))", "cells": "true"}
    assert world.get("reader", "/trips/weekly", **polygon).json()["cells"] == answer["cells"]
    assert "cells" not in world.get("reader", "/trips/weekly", region="Turin", bbox="7,44,8,48").json()
    refused = world.get("admin", "/trips/weekly", **parameters)
    assert (refused.status_code, refused.json()["message"][:6]) == (400, "cells:")


def test_maps_are_drawn_from_cells(world: World) -> None:
    north = math.radians(LATITUDES["Turin"])
    column, row = (7.67 / 360 + 0.5) * 2**12, (0.5 - math.asinh(math.tan(north)) / math.tau) * 2**12
    path = f"/trips/density/12/{int(column)}/{int(row)}"
    exact, coarse = (opacity(world.get(who, path, region="Turin")) for who in ("admin", "reader"))
    # The six riders begin some metres from each other, and count as if they began at the centre of a cell.
    assert 0 < np.count_nonzero(coarse) < np.count_nonzero(exact)
    assert np.count_nonzero(exact[coarse > 0]) == 0


@pytest.mark.parametrize("who", ["reader", "aggregates", "writer"])
def test_numbers_of_rows_are_withheld(world: World, outbox: psycopg.Connection, who: str) -> None:
    for file in world.get(who, "/files").json()["files"]:
        assert (file["rows_loaded"], file["rows_rejected"]) == (None, None)
    headers = {**world.headers(who), "Last-Event-ID": "0"}
    publish(
        outbox,
        "file.loaded",
        message="a.csv: 17 trips loaded",
        details={"rows_loaded": 17, "rows": 17, "status": "loaded", "regions": ["Turin"]},
    )
    parameters = {"types": "file.loaded,file.failed,asset.materialized"}
    with httpx.stream(
        "GET", f"{world.service.api}/events", params=parameters, headers=headers, timeout=20
    ) as stream:
        events = [*islice(read_events(stream.iter_lines()), 5)]
    assert {"file.loaded", "file.failed"} <= {event.type for event in events}
    for event in events:
        assert not {"message", "rows", "rows_loaded", "rows_rejected"} & event.data.keys(), json.dumps(
            event.data
        )
