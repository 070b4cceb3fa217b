"""Answers equal plain SQL whatever happened to the segments: loads, replacements, posts, merges and lost workers."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from shifts_core.tiles import segment_builder
from shifts_core.tiles.build import build_tiles
from shifts_core.trips.report import LoadReport
from shifts_pipeline.storage import refresh_pair as refreshes
from shifts_pipeline.storage import stale_pairs, transitions
from shifts_pipeline.storage.refresh_pair import refresh_pair
from tests.integration.api.running import Service, posted, trip
from tests.integration.loading.loading import Loader

REGION = "Segments"
WEEKS = ("2018-05-28", "2018-06-04")
HEADER = b"region,origin_coord,destination_coord,datetime,datasource\n"
COUNT = """
    SELECT count(*) FROM shifts.trips WHERE region = %(region)s AND ST_X(origin) BETWEEN %(west)s AND %(east)s
        AND ST_Y(origin) BETWEEN %(south)s AND %(north)s AND (NOT %(both)s
             OR ST_X(destination) BETWEEN %(west)s AND %(east)s AND ST_Y(destination) BETWEEN %(south)s AND %(north)s)
"""
STEPS = (
    "load",
    "replace",
    "same bytes",
    "remove",
    "reload",
    "post",
    "merge",
    "merge late",
    "lose a load",
    "delete",
)


class LostError(Exception):
    """Stands for the death of a worker: its transaction is rolled back."""


class Work:
    """Random changes of the trips of a region.

    Args:
        loader: of the service's database and landing folder.
        client: of the service.
        rng: decides everything.
    """

    def __init__(self, loader: Loader, client: httpx.Client, rng: np.random.Generator) -> None:
        self.loader, self.client, self.rng = loader, client, rng

    def points(self, trips: int) -> list[list[float]]:
        """Ends of trips on few places, so that trips repeat."""
        ends = self.rng.normal([7.6, 45.0] * 2, 0.1, (trips, 4))
        return np.round(ends, int(self.rng.integers(1, 9))).tolist()  # type: ignore[no-any-return]

    def csv(self, trips: int | None = None) -> bytes:
        """A file of so many trips in both weeks, or of few or many."""
        trips = trips or int(self.rng.choice([1, 20, 300, 3000]))
        days = np.datetime64(WEEKS[0]) + self.rng.integers(0, 14, trips)
        return (
            HEADER
            + "".join(
                f"{REGION},POINT ({a!r} {b!r}),POINT ({c!r} {d!r}),{day} 08:00:00,x\n"
                for (a, b, c, d), day in zip(self.points(trips), days, strict=True)
            ).encode()
        )

    def name(self) -> str:
        return f"{self.rng.choice(['a', 'b', 'c'])}.csv"

    def step(self, what: str, patch: pytest.MonkeyPatch) -> None:
        """Does one of `STEPS`."""
        name = self.name()
        if what in ("load", "replace"):
            self.loader.put(name, self.csv())
            self.loader.load(name)
        elif what == "same bytes":
            path = self.loader.landing / self.name()
            if path.exists():
                self.loader.put(name, path.read_bytes())
                self.loader.load(name)
        elif what == "remove":
            self.loader.put(name, HEADER + b"Elsewhere,POINT (1 1),POINT (1 1),2018-05-28 08:00:00,x\n")
            self.loader.load(name)
        elif what == "reload":
            if (self.loader.landing / name).exists():
                self.loader.load(name, by_hand=True)
        elif what == "post":
            ends = self.points(int(self.rng.choice([1, 5, 200])))
            trips = [
                trip(region=REGION, origin=e[:2], destination=e[2:], timestamp=f"{WEEKS[0]} 09:00:00")
                for e in ends
            ]
            assert self.client.post("/trips", json=posted(*trips)).status_code == 201
        elif what == "delete":
            files = self.loader.query(
                "SELECT f.file_id, EXISTS (SELECT FROM shifts_store.trip_files o WHERE o.name <> f.name"
                " AND o.content_hash = f.content_hash AND o.status IN ('loaded', 'duplicate'))"
                " FROM shifts_store.trip_files f WHERE f.status IN ('loaded', 'duplicate') ORDER BY 1"
            )
            if files:
                file_id, has_copy = files[int(self.rng.integers(len(files)))]
                self.loader.delete(file_id, keep_copies=has_copy and bool(self.rng.integers(2)))
        elif what == "merge":
            self.merge(lambda: None)
        elif what == "merge late":
            # The trips are read before another file replaces some of them, and written after it.
            later = self.name()
            self.loader.put(later, self.csv())
            self.merge(lambda: self.loader.load(later))
        else:
            self.loader.put(name, self.csv())
            with patch.context() as patched:
                patched.setattr(transitions, "finish", lose_after(transitions.finish))
                with pytest.raises(LostError):
                    self.loader.load(name)

    def merge(self, meanwhile: Callable[[], object]) -> None:
        """Refreshes all pairs; something else happens between the reading of the first pair and its writing."""
        done: list[bool] = []

        def build(ends: Any, minutes: Any) -> Any:
            if not done:
                done.append(True)
                meanwhile()
            return build_tiles(ends, minutes)

        with (
            pytest.MonkeyPatch.context() as patch,
            psycopg.connect(self.loader.url, autocommit=True) as connection,
        ):
            patch.setattr(refreshes, "build_tiles", build)
            for week in stale_pairs.weeks_with_trips(connection):
                for pair in stale_pairs.all_pairs(connection, week):
                    refresh_pair(connection, pair, ["aggregates"], _no_clusters, lambda _: None)
            assert connection.execute("SELECT * FROM shifts_store.failed_pair_checks").fetchall() == []

    def agrees(self, database: psycopg.Connection, boxes: int) -> None:
        """Compares answers for random boxes with plain SQL, and segments with counts."""
        for number in range(boxes):
            (west, south), (east, north) = np.sort(self.rng.normal([7.6, 45.0], 0.1, (2, 2)), axis=0).tolist()
            both = bool(number % 2)
            box = {"west": west, "south": south, "east": east, "north": north}
            row = database.execute(COUNT, {"region": REGION, "both": both, **box}).fetchone()
            answer = self.client.get(
                "/trips/weekly",
                params={
                    "region": REGION,
                    "bbox": ",".join(map(repr, box.values())),
                    "match": "both" if both else "origin",
                },
            )
            assert row == (answer.raise_for_status().json()["total_trips"],)
        assert (
            database.execute(
                "SELECT region_id, week, sum(trips) FROM shifts_store.tile_segments GROUP BY 1, 2"
                " HAVING sum(trips) <> 0 EXCEPT"
                " SELECT region_id, week, sum(trips) FROM shifts_store.file_week_counts GROUP BY 1, 2"
            ).fetchall()
            == []
        )
        assert (
            database.execute("SELECT FROM shifts_store.file_week_counts WHERE NOT aggregated").fetchall()
            == []
        )


def lose_after(finish: Callable[..., bool]) -> Callable[..., bool]:
    def run(connection: psycopg.Connection, file_id: int, report: LoadReport, deleted: Any = ()) -> bool:
        finish(connection, file_id, report, deleted)
        raise LostError

    return run


def _no_clusters() -> Any:
    raise AssertionError


@pytest.mark.parametrize("seed", range(4))
def test_answers_equal_plain_sql_after_changes_in_any_order(
    service: Service,
    client: httpx.Client,
    trips_db: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    if seed % 2:
        # As of files of millions of trips, whose segments are written before all of them are read.
        monkeypatch.setattr(segment_builder, "MAX_COLLECTED", 400)
    loader = Loader(service.database_url, service.landing)
    for path in service.landing.iterdir():
        path.unlink()
    loader.empty()
    work = Work(loader, client, rng)
    work.step("load", monkeypatch)
    work.step("post", monkeypatch)
    done = ["load", "post"]
    for _ in range(20):
        done.append(str(rng.choice(STEPS)))
        work.step(done[-1], monkeypatch)
        try:
            work.agrees(trips_db, 4)
        except AssertionError as error:
            error.add_note(f"after {done}")
            raise


def test_a_file_of_several_segments_is_replaced_and_deleted(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_builder, "MAX_COLLECTED", 400)
    loader = Loader(service.database_url, service.landing)
    loader.empty()
    work = Work(loader, client, np.random.default_rng(10))
    for trips in (3000, 3000, 1):
        loader.put("a.csv", work.csv(trips))
        loader.load("a.csv")
        assert loader.query("SELECT count(*) FROM shifts.trips") == [(trips,)]
        work.agrees(trips_db, 4)


def test_a_merge_that_finds_its_segments_merged_changes_nothing(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    loader = Loader(service.database_url, service.landing)
    work = Work(loader, client, np.random.default_rng(9))
    for name in ("a.csv", "b.csv"):
        loader.put(name, work.csv())
        loader.load(name)
    with pytest.raises(RuntimeError, match="merged meanwhile"):
        work.merge(lambda: work.merge(lambda: None))
    work.agrees(trips_db, 4)
