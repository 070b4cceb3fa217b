"""An attacker asks chosen questions of a service with `SHIFTS_MIN_COUNT`, before and after a further file.

No difference of answers isolates fewer trips of one week. Without the setting the same attacker succeeds.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import psycopg
import pytest
from fastapi import FastAPI, Request
from numpy.typing import NDArray

from shifts_api.queries.counters import create_counters
from shifts_api.queries.database import create_pools
from shifts_api.routes.counting import count_trips
from shifts_api.settings import ApiSettings
from shifts_api.web.endings import Ending
from shifts_api.web.identity import Identity, set_identity
from shifts_core.access.rights import UNLIMITED, Rights
from shifts_core.weekly_statistics import WeeklyQuery
from shifts_pipeline.storage.stale_pairs import adopt_min_count
from tests.integration.api.attacker import REGION, Answered, Counts, Pair, chosen_pairs, isolated
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, posted, running, trip, wait_until
from tests.integration.pipeline.harness import HEADER, Pipeline, row

K = 10
HTTP_PAIRS = 150
AT_A_TIME = 64
MONDAY = datetime(2018, 5, 28)
HOMES = np.round(np.random.default_rng(7).normal([7.68, 45.07], 0.02, (300, 2)), 5)


def commutes(seed: int, trips: int, homes: NDArray[np.float64] = HOMES) -> str:
    """Trips from homes to a few places of work and back, in two weeks."""
    rng = np.random.default_rng(seed)
    works = np.round(rng.normal([7.69, 45.06], 0.01, (20, 2)), 5)
    lines = []
    for _ in range(trips):
        home, work = homes[rng.integers(0, len(homes))].tolist(), works[rng.integers(0, 20)].tolist()
        morning = rng.random() < 0.5
        hours = float(rng.normal(8 if morning else 18, 1)) % 24
        moment = MONDAY + timedelta(days=int(rng.integers(0, 14)), seconds=int(hours * 3600))
        ends = (home, work) if morning else (work, home)
        lines.append(row(REGION, str(moment), tuple(ends[0]), tuple(ends[1])))
    return HEADER + "".join(lines)


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "landing").mkdir()
    with running(
        Service(
            database_url,
            dagster_database_url,
            folder / "landing",
            folder / "api.log",
            {"SHIFTS_MIN_COUNT": str(K)},
        )
    ) as found:
        yield found


class Asked:
    """Answers to the same pairs of questions at two moments."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self.moments: list[list[Counts]] = []

    @property
    def questions(self) -> list[WeeklyQuery]:
        return [question for pair in self.pairs for question in pair]

    @property
    def answered(self) -> list[Answered]:
        before, after = self.moments
        return [
            Answered(
                pair,
                (before[2 * number], after[2 * number]),
                (before[2 * number + 1], after[2 * number + 1]),
            )
            for number, pair in enumerate(self.pairs)
        ]


def ask_in_process(service: Service, asked: Asked, rights: Rights) -> None:
    """Counts as the routes do, in this process, many questions at a time."""
    settings = ApiSettings(
        database_url=service.database_url,
        dagster_database_url=service.dagster_database_url,
        landing_url=str(service.landing),
        min_count=K,
        api_pool_wait_s=60,
    )

    async def ask() -> list[Counts]:
        app = FastAPI()
        app.state.pools = create_pools(settings)
        app.state.counters = create_counters(app.state.pools.reads, settings)
        state: dict[str, object] = {}
        set_identity(state, Identity("attacker", rights, Ending(), prefix="attacker"))
        request = Request({"type": "http", "app": app, "state": state, "headers": []})
        questions = iter(asked.questions)
        answers: dict[int, Counts] = {}

        async def work() -> None:
            for question in questions:
                number = len(answers)
                answers[number] = {}
                counted = await count_trips(request, question)
                answers[number] = {week: int(trips.sum()) for week, trips in counted.trips.items()}

        try:
            await asyncio.gather(*(work() for _ in range(AT_A_TIME)))
        finally:
            for each in app.state.counters.present:
                await each.reads.stop()
            await app.state.pools.dispose()
        return [answers[number] for number in range(len(answers))]

    asked.moments.append(asyncio.run(ask()))


def ask_over_http(service: Service, asked: Asked) -> None:
    def counts(client: httpx.Client, question: WeeklyQuery) -> Counts:
        parameters = {"region": REGION, "match": question.match}
        if question.box is not None:
            box = question.box
            parameters["bbox"] = ",".join(map(repr, (box.west, box.south, box.east, box.north)))
        else:
            assert question.polygon is not None
            parameters["polygon"] = question.polygon.wkt
        if question.times.weekdays:
            parameters["weekdays"] = ",".join(question.times.weekdays)
        if question.times.window:
            parameters["time"] = str(question.times.window)
        answer = client.get("/trips/weekly", params=parameters)
        assert answer.status_code == 200, answer.text
        return {date.fromisoformat(each["monday"]): each["trips"] for each in answer.json()["series"]}

    with httpx.Client(base_url=service.api, timeout=20) as client:
        asked.moments.append([counts(client, question) for question in asked.questions])


def load(service: Service, pipeline: Pipeline, name: str, text: str) -> None:
    pipeline.put(name, text)
    assert all(run.success for run in pipeline.load())
    assert all(run.success for run in pipeline.refresh())
    assert pipeline.query("SELECT count(*) FROM shifts_store.stale_weeks") == [(0,)]


@pytest.mark.parametrize(
    ("questions", "polygons", "seed"),
    [
        pytest.param(10_000, 20, 1, id="10,000 questions"),
        pytest.param(100_000, 120, 11, id="100,000 questions", marks=pytest.mark.soak),
    ],
)
def test_no_difference_of_answers_isolates_fewer_than_k_trips(
    service: Service, questions: int, polygons: int, seed: int
) -> None:
    # Each pair is two questions, which are asked before and after a further file.
    of_reader, of_admin, of_http = (
        Asked([*chosen_pairs(HOMES, pairs, polygons)])
        for pairs, polygons in ((questions // 4, polygons), (1_000, 20), (HTTP_PAIRS, 20))
    )
    reader = replace(UNLIMITED, role="reader").with_min_count(K)

    def ask() -> None:
        ask_in_process(service, of_reader, reader)
        ask_in_process(service, of_admin, UNLIMITED.with_min_count(K))
        ask_over_http(service, of_http)

    with pipeline_of(service, K) as pipeline:
        load(service, pipeline, f"first {seed}.csv", commutes(seed, 1500))
        # Fewer than k trips: they wait for others.
        load(service, pipeline, f"few {seed}.csv", commutes(seed + 1, 9))
        ask()
        load(service, pipeline, f"further {seed}.csv", commutes(seed + 2, 300))
        load(service, pipeline, f"few more {seed}.csv", commutes(seed + 3, 9))
        ask()
    assert len(of_reader.moments) * len(of_reader.questions) == questions
    for asked in (of_reader, of_http):
        numbers = isolated(asked.answered)
        assert min(numbers) >= K
        assert len(numbers) > len(asked.pairs)
    # The attack is real.
    numbers = isolated(of_admin.answered)
    assert sum(number == 1 for number in numbers) > 100


def test_a_posted_trip_is_counted_when_enough_others_are(service: Service) -> None:
    parameters = {"region": "Hamlet", "bbox": "-180,-90,180,90"}

    def total() -> int:
        return int(httpx.get(f"{service.api}/trips/weekly", params=parameters).json()["total_trips"])

    totals = []
    with pipeline_of(service, K) as pipeline:
        for _ in range(K):
            one = trip(region="Hamlet")
            assert httpx.post(f"{service.api}/trips", json=posted(one)).status_code == 201
            pipeline.refresh()
            totals.append(total())
    assert totals == [0] * (K - 1) + [K]


def test_zones_and_hours_are_counted_from_cells(service: Service) -> None:
    names = [f"strip {number}" for number in range(40)]
    for number, name in enumerate(names):
        west = 7.6 + 0.004 * number
        ring = [[west, 45.0], [west + 0.004, 45.0], [west + 0.004, 45.2], [west, 45.2], [west, 45.0]]
        zone = {"type": "Polygon", "coordinates": [ring]}
        assert httpx.put(f"{service.api}/zones/{name}?region={REGION}", json=zone).status_code == 201
    with httpx.Client(base_url=service.api, timeout=20) as client:
        matrix = client.get("/trips/matrix", params={"region": REGION, "zones": "all"}).json()
        area = {"region": REGION, "bbox": "7,44,8,46"}
        profile = client.get("/trips/profile", params=area).json()
    for answer in (matrix, profile):
        counts = np.array(answer["total_trips"])
        assert len(counts[counts > 0]) > 1
        assert counts[counts > 0].min() >= K


@pytest.mark.parametrize("path", ["clusters/1/trips", "shifts/1/trips", "trips/1/cluster", "files/1/rejects"])
def test_single_trips_are_refused_without_a_key(service: Service, path: str) -> None:
    answer = httpx.get(f"{service.api}/{path}")
    assert answer.status_code == 403
    assert "SHIFTS_MIN_COUNT" in answer.json()["message"]


def test_cells_of_another_k_are_withheld(service: Service, tmp_path: Path) -> None:
    other = replace(
        service, port=0, process=None, log=tmp_path / "api.log", more={"SHIFTS_MIN_COUNT": str(2 * K)}
    )
    with running(other):
        parameters = {"region": REGION, "bbox": "-180,-90,180,90"}
        answer = httpx.get(f"{other.api}/trips/weekly", params=parameters).json()
        assert (answer["total_trips"], answer["series"], answer["mean"]) == (0, [], None)


def test_a_service_that_was_not_told_k_counts_nothing_until_the_pipeline_has_none(
    service: Service, tmp_path: Path, database_url: str
) -> None:
    other = replace(service, port=0, process=None, log=tmp_path / "api.log", more={})
    with running(other), psycopg.connect(database_url, autocommit=True) as connection:

        def ask() -> httpx.Response:
            parameters = {"region": REGION, "bbox": "-180,-90,180,90"}
            return httpx.get(f"{other.api}/trips/weekly", params=parameters, timeout=20)

        assert ask().status_code == 503
        assert "SHIFTS_MIN_COUNT" in ask().json()["message"]
        assert httpx.get(f"{other.api}/trips/1/cluster").status_code == 403
        exact = connection.execute("SELECT count(*) FROM shifts.trips WHERE region = %s", [REGION]).fetchone()
        adopt_min_count(connection, None)
        wait_until(lambda: ask().status_code == 200, 10)
        assert (ask().json()["total_trips"],) == exact
