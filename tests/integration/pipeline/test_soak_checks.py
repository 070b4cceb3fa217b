"""The soak's checks find every tampering with a database, and nothing in a sound one."""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from tests.integration.pipeline.harness import Pipeline
from tests.soak.check_derived import DerivedCheck
from tests.soak.check_events import EventCheck
from tests.soak.check_rows import RowCheck
from tests.soak.check_runs import RunCheck
from tests.soak.check_statements import StatementCheck
from tests.soak.contents import Content, random_content
from tests.soak.model import Model
from tests.soak.platform import SoakPlatform
from tests.soak.report import Report

Check = Callable[[], set[str]]

FIRST_FILE = "(SELECT min(file_id) FROM shifts_store.trip_files WHERE status = 'loaded' AND rows_loaded > 9)"
FIRST_TRIP = f"trip_id = (SELECT min(trip_id) FROM shifts_store.trips WHERE file_id = {FIRST_FILE})"
FIRST_TILE = (
    "(region_id, week, segment, tile) = (SELECT region_id, week, segment, tile FROM shifts_store.weekly_trip_tiles"
    " ORDER BY trips DESC, region_id, week LIMIT 1)"
)
SET_STATUS = f"UPDATE shifts_store.trip_files SET status = '{{}}' WHERE file_id = {FIRST_FILE}"

TAMPERED = {
    "a trip is deleted": (
        f"DELETE FROM shifts_store.trips WHERE {FIRST_TRIP}",
        {"stored rows differ from the file", "rows by pair that differ from the trips"},
    ),
    "a trip is doubled": (
        "INSERT INTO shifts_store.trips SELECT (t).* FROM (SELECT jsonb_populate_record(t, jsonb_build_object("
        "'trip_id', (SELECT max(trip_id) + 1 FROM shifts_store.trips))) AS t"
        f" FROM shifts_store.trips t WHERE {FIRST_TRIP}) AS doubled",
        {"stored rows differ from the file", "rows by pair that differ from the trips"},
    ),
    "an origin is moved": (
        f"UPDATE shifts_store.trips SET origin = ST_Translate(origin::geometry, 1e-9, 0) WHERE {FIRST_TRIP}",
        {"stored rows differ from the file", "tiles differ from a fresh computation"},
    ),
    "a loaded file is superseded": (
        SET_STATUS.format("superseded"),
        {"a file's rows are missing", "trips of entries that are not loaded"},
    ),
    "a loaded file is failed": (
        SET_STATUS.format("failed"),
        {"a file's rows are missing", "an ending was not announced"},
    ),
    "a reject is deleted": (
        "DELETE FROM shifts_store.rejected_rows WHERE (file_id, line) ="
        " (SELECT file_id, line FROM shifts_store.rejected_rows ORDER BY 1, 2 LIMIT 1)",
        {"rejected rows differ from the file"},
    ),
    "a byte of a tile is changed": (
        "UPDATE shifts_store.weekly_trip_tiles SET high_bits = set_byte(high_bits, 3, get_byte(high_bits, 3) # 16)"
        f" WHERE {FIRST_TILE}",
        {"tiles differ from a fresh computation"},
    ),
    "a tile is deleted": (
        f"DELETE FROM shifts_store.weekly_trip_tiles WHERE {FIRST_TILE}",
        {"tiles differ from a fresh computation"},
    ),
    "a cluster is deleted": (
        "DELETE FROM shifts_store.trip_clusters WHERE cluster_id ="
        " (SELECT min(cluster_id) FROM shifts_store.trip_clusters)",
        {"clusters differ from a fresh computation"},
    ),
    "a cluster has a trip that is not there": (
        "UPDATE shifts_store.trip_clusters SET trip_ids[1] = 1 WHERE cluster_id ="
        " (SELECT min(cluster_id) FROM shifts_store.trip_clusters)",
        {"clusters differ from a fresh computation", "clusters whose trips are not there"},
    ),
}


class Databases:
    """What the checks ask of a platform, from the databases of a test."""

    def __init__(self, trips_database: str, dagster_database: str) -> None:
        self.trips_database, self._dagster_database = trips_database, dagster_database

    def query(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        return _rows(self.trips_database, statement, values)

    def query_dagster(
        self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        return _rows(self._dagster_database, statement, values)


@pytest.fixture
def check(pipeline: Pipeline, dagster_database_url: str, tmp_path: Path) -> Check:
    """Runs the checks on loaded files; the kinds of what they find."""
    rng, model, contents = random.Random(7), Model(), list[Content]()
    while len(contents) < 3 or not any(content.rejected_lines for content in contents):
        content = random_content(rng, len(contents))
        if not content.is_broken and len(content.trips) < 1000:
            contents.append(content)
    for content in contents:
        name = model.name(f"{content.number}{content.suffix}")
        path = pipeline.landing / name.name
        path.write_bytes(content.data)
        os.utime(path, (1e9, 1e9))
        model.begin_change(name, content)
        stat = path.stat()
        model.end_change(name, f"{stat.st_mtime_ns}-{stat.st_size}")
    pipeline.load()
    for run in pipeline.refresh():
        assert run.success, [event.message for event in run.all_events if event.is_failure]
    rows = pipeline.query("SELECT name, version, status FROM shifts_store.trip_files")
    model.settle(model.changes(), {(name, version): status for name, version, status in rows})
    assert len(model.must_count()) == len(contents)
    platform = cast("SoakPlatform", Databases(pipeline.url, dagster_database_url))

    def found() -> set[str]:
        folder = tmp_path / "report"
        folder.mkdir(exist_ok=True)
        report = Report(folder, 0)
        RowCheck(platform, model, report).check()
        StatementCheck(platform, report).check()
        DerivedCheck(platform, report).check()
        EventCheck(platform, model, report).check()
        RunCheck(platform, report).check()
        return {finding["kind"] for finding in report.findings}

    return found


def test_tampering_with_stored_data_is_found_and_sound_data_is_not(check: Check, pipeline: Pipeline) -> None:
    assert check() == set()
    for what, (statement, expected) in TAMPERED.items():
        before = {table: _copy(pipeline, table) for table in _TABLES}
        with psycopg.connect(pipeline.url) as connection:
            connection.execute("SET session_replication_role = replica")
            assert connection.execute(statement).rowcount > 0, what
        assert expected <= check(), what
        for table, copy in before.items():
            _restore(pipeline, table, copy)
    assert check() == set()


def test_an_ending_that_was_never_announced_is_found(
    check: Check, pipeline: Pipeline, dagster_database_url: str
) -> None:
    with psycopg.connect(dagster_database_url) as connection:
        connection.execute(
            "DELETE FROM shifts_feed.events WHERE event_id ="
            " (SELECT max(event_id) FROM shifts_feed.events WHERE type = 'file.loaded')"
        )
    assert check() == {"an ending was not announced"}


_TABLES = (
    "trips",
    "trip_files",
    "rejected_rows",
    "weekly_trip_tiles",
    "trip_clusters",
)


def _rows(url: str, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with psycopg.connect(url.replace("+psycopg2", "")) as connection:
        return connection.execute(statement, values or None).fetchall()


def _copy(pipeline: Pipeline, table: str) -> bytes:
    statement = f"COPY (SELECT * FROM shifts_store.{table}) TO STDOUT (FORMAT binary)"
    with psycopg.connect(pipeline.url) as connection, connection.cursor().copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)


def _restore(pipeline: Pipeline, table: str, data: bytes) -> None:
    with psycopg.connect(pipeline.url) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        # An emptied file is filled in order. Vacuumed pages are not, and tiles follow the order of the rows.
        cursor.execute(f"{'TRUNCATE' if table == 'trips' else 'DELETE FROM'} shifts_store.{table}")
        with cursor.copy(f"COPY shifts_store.{table} FROM STDIN (FORMAT binary)") as copy:
            copy.write(data)
