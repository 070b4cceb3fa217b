"""A service with trips of two regions and keys of every kind, for the tests of who may see what."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from shifts_core.access.rights import Rights
from shifts_core.shifts.parameters import ShiftParameters
from shifts_pipeline.storage.shifts.run import refresh_shifts
from shifts_pipeline.storage.shifts.state import MakingOptions
from shifts_platform.keys import add_key, revoke_key
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, running
from tests.integration.loading.shift_weeks import request
from tests.integration.pipeline.harness import HEADER, row

SETTING = "a key of many words, and signs: !"
TURIN, MILAN = frozenset({"Turin"}), frozenset({"Milan"})
RIGHTS: Mapping[str, Rights] = {
    "reader": Rights("reader"),
    "writer": Rights("writer"),
    "admin": Rights("admin"),
    "reader of Turin": Rights("reader", TURIN),
    "writer of Turin": Rights("writer", TURIN),
    "admin of Turin": Rights("admin", TURIN),
    "reader of Milan": Rights("reader", MILAN),
    "aggregates": Rights("reader", aggregates_only=True),
    "aggregates of Turin": Rights("reader", TURIN, aggregates_only=True),
}
SOURCE = "secret_source"
"""Of every trip: an answer that has it shows single trips."""
RAW = "no,trip,at,all"
LATITUDES = {"Turin": 45.012345, "Milan": 47.312345}
"""An answer with a coordinate of Milan has its latitude."""
_FILLERS = 5_000
"""Events after those of the files, so that these are replayed from the outbox and not from memory."""


@dataclass(frozen=True)
class World:
    """The service, its keys by whose they are, and ids of what it serves."""

    service: Service
    keys: Mapping[str, str]
    ids: Mapping[str, Any]

    def headers(self, who: str) -> dict[str, str]:
        """The header with a key; empty without one."""
        return {"Authorization": f"Bearer {self.keys[who]}"} if who in self.keys else {}

    def get(self, who: str, path: str, **parameters: Any) -> httpx.Response:
        return httpx.get(
            f"{self.service.api}{path}", params=parameters, headers=self.headers(who), timeout=20
        )


@contextmanager
def world_of(
    database_url: str, dagster_database_url: str, folder: Path, min_count: int | None = None
) -> Iterator[World]:
    """A running world."""
    landing = folder / "landing"
    landing.mkdir()
    more = {"SHIFTS_API_KEY": SETTING}
    if min_count is not None:
        more["SHIFTS_MIN_COUNT"] = str(min_count)
    service = Service(database_url, dagster_database_url, landing, folder / "api.log", more)
    with psycopg.connect(database_url, autocommit=True) as connection:
        keys = {who: add_key(connection, who, rights) for who, rights in RIGHTS.items()}
        keys["revoked"] = add_key(connection, "revoked", Rights("admin"))
        revoke_key(connection, "revoked")
    _fill(service, min_count)
    keys |= {"setting": SETTING, "wrong": f"{keys['reader'][:-4]}wrong"[:59]}
    with running(service):
        yield World(service, keys, _ids_of(database_url))


def _fill(service: Service, min_count: int | None) -> None:
    with pipeline_of(service, min_count) as pipeline:
        pipeline.put("turin.csv", HEADER + _trips("Turin") + f"{RAW}\n")
        pipeline.put("milan.csv", HEADER + _trips("Milan") + f"{RAW}\n")
        both = [row(region, "2018-05-28 12:00:00", source=SOURCE) for region in ("Turin", "Milan")]
        pipeline.put("both.csv", HEADER + "".join(both))
        # Without a header, the reason of the failure quotes the first trip.
        pipeline.put("failed.csv", _trips("Milan"))
        pipeline.load()
        pipeline.refresh()
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        assert refresh_shifts(connection, request(options=MakingOptions(ShiftParameters(), 4))).failures == []
        mine = [("mine", region) for region in ("Turin", "Milan", None)]
        for name, region in (("old_town", "Turin"), ("navigli", "Milan"), ("everywhere", None), *mine):
            connection.execute(
                "SELECT shifts_store.put_zones(%s, %s, ARRAY[ST_AsBinary("
                "'POLYGON((7 44,8 44,8 48,7 48,7 44))'::geometry)])",
                [[name], [region]],
            )
    with psycopg.connect(service.dagster_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO shifts_feed.events (type, message)"
            " SELECT 'run.queued', 'filler' FROM generate_series(1, %s)",
            [_FILLERS],
        )


def _trips(region: str) -> str:
    """A commute that stands for two weeks."""
    north = LATITUDES[region]
    return "".join(
        row(region, f"2018-05-{day} 08:{20 + n}:00", (7.67 + n * 1e-4, north), (7.72, north + 0.05), SOURCE)
        for day in (*range(21, 26), *range(28, 32))
        for n in range(6)
    )


def _ids_of(database_url: str) -> dict[str, Any]:
    ids: dict[str, Any] = {}
    with psycopg.connect(database_url) as connection:

        def one(statement: str, *values: object) -> Any:
            found = connection.execute(statement.encode(), values).fetchone()
            assert found is not None, statement
            return found[0]

        for region in ("Turin", "Milan"):
            name = region.lower()
            ids[f"{name}_cluster"] = one(
                "SELECT cluster_id FROM shifts.clusters WHERE region = %s ORDER BY trips DESC LIMIT 1", region
            )
            ids[f"{name}_trip"] = one(
                "SELECT trip_id FROM shifts.cluster_members WHERE cluster_id = %s LIMIT 1",
                ids[f"{name}_cluster"],
            )
            ids[f"{name}_shift"] = one("SELECT shift_id FROM shifts.shifts WHERE region = %s LIMIT 1", region)
        for name in ("turin", "milan", "both", "failed"):
            ids[f"{name}_file"] = one("SELECT file_id FROM shifts.files WHERE name = %s", f"{name}.csv")
    return ids
