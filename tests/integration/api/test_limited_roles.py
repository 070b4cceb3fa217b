"""The database itself limits what a request with a limited key reads and writes, whatever a route asks it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.integration.api.access_world import World

TABLES = (
    "regions",
    "region_weeks",
    "file_week_counts",
    "trips",
    "trip_clusters",
    "shift_makings",
    "shifts",
    "zones",
)


@contextmanager
def _as(url: str, role: str, regions: str | None) -> Iterator[psycopg.Connection]:
    """A transaction of the web service for a request with a limited key."""
    with psycopg.connect(url, options="-c role=shifts_api") as connection:
        if regions is not None:
            connection.execute("SELECT set_config('shifts.regions', %s, true)", [regions])
        connection.execute("SELECT set_config('role', %s, true)", [role])
        yield connection


def _region_id(url: str, name: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT region_id FROM shifts_store.regions WHERE name = %s", [name]
        ).fetchone()
    assert row is not None
    return int(row[0])


def _regions(connection: psycopg.Connection, table: str) -> set[Any]:
    statement = f"SELECT DISTINCT region_id FROM shifts_store.{table}"
    return {row[0] for row in connection.execute(statement.encode())}


@pytest.mark.parametrize("table", TABLES)
def test_a_statement_without_a_condition_reads_rows_of_the_key_s_regions_only(
    world: World, database_url: str, table: str
) -> None:
    turin, milan = (_region_id(database_url, name) for name in ("Turin", "Milan"))
    free: set[Any] = {None} if table == "zones" else set()
    with psycopg.connect(database_url, options="-c role=shifts_api") as connection:
        assert _regions(connection, table) == {turin, milan} | free
    with _as(database_url, "shifts_api_limited", f"{{{turin}}}") as connection:
        assert _regions(connection, table) == {turin} | free
    for nothing in (None, "", "{}"):
        with _as(database_url, "shifts_api_limited", nothing) as connection:
            assert _regions(connection, table) == free
    with _as(database_url, "shifts_api_limited", "*") as connection:
        assert _regions(connection, table) == {turin, milan} | free


@pytest.mark.parametrize("table", sorted(set(TABLES) - {"trips"}))
def test_a_key_for_aggregates_reads_aggregates_of_its_regions(
    world: World, database_url: str, table: str
) -> None:
    turin = _region_id(database_url, "Turin")
    with _as(database_url, "shifts_api_aggregates", f"{{{turin}}}") as connection:
        assert _regions(connection, table) - {None} == {turin}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT trip_id FROM shifts_store.trips",
        "SELECT trip_ids FROM shifts_store.trip_clusters",
        "SELECT * FROM shifts_store.shifts",
        "SELECT raw FROM shifts_store.rejected_rows",
        "SELECT low_bits FROM shifts_store.weekly_trip_tiles",
        "SELECT * FROM shifts.trips",
        "SELECT * FROM shifts.grouped_trips",
        "SELECT * FROM shifts.cluster_members",
        "SELECT * FROM shifts.rejects",
        "SELECT error FROM shifts_store.trip_files",
        "SELECT digest FROM shifts_store.api_keys",
        "SELECT * FROM shifts_store.audit_trail",
    ],
)
def test_a_key_for_aggregates_reads_no_single_trip(world: World, database_url: str, statement: str) -> None:
    with (
        _as(database_url, "shifts_api_aggregates", "*") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM shifts.trips",
        "SELECT * FROM shifts.files",
        "SELECT * FROM shifts_store.trips_2018w22",
        "SELECT raw FROM shifts_store.rejected_rows",
        "SELECT low_bits FROM shifts_store.weekly_trip_tiles",
        "SELECT name FROM shifts_store.trip_files",
        "SELECT digest FROM shifts_store.api_keys",
        "SELECT shifts_store.delete_zone(1)",
        "SELECT shifts_store.record_access('x', 'x', NULL, NULL, 'x', NULL, NULL)",
        "UPDATE shifts_store.regions SET name = 'x'",
        "DELETE FROM shifts_store.trips",
    ],
)
def test_what_holds_rows_of_all_regions_is_closed_to_a_key_of_regions(
    world: World, database_url: str, statement: str
) -> None:
    with (
        _as(database_url, "shifts_api_limited", f"{{{_region_id(database_url, 'Turin')}}}") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize("role", ["shifts_api_limited", "shifts_api_aggregates"])
def test_files_of_other_regions_are_not_listed(world: World, database_url: str, role: str) -> None:
    ids = ",".join(str(_region_id(database_url, name)) for name in ("Turin", "Milan"))
    names = {
        f"{{{_region_id(database_url, 'Turin')}}}": {"turin.csv"},
        f"{{{ids}}}": {"turin.csv", "milan.csv", "both.csv"},
        "*": {"turin.csv", "milan.csv", "both.csv", "failed.csv"},
        "": set(),
    }
    for setting, expected in names.items():
        with _as(database_url, role, setting) as connection:
            rows = connection.execute(
                "SELECT name, error FROM shifts_store.visible_files(NULL, NULL, NULL, NULL, NULL, 1000)"
            ).fetchall()
            assert {name for name, _ in rows} == expected
            assert {error for _, error in rows} <= {None, "withheld, because it may quote a row"}


def test_writes_into_other_regions_are_refused(world: World, database_url: str) -> None:
    polygon = "ARRAY[ST_AsBinary('POLYGON((0 0,1 0,1 1,0 0))'::geometry)]"
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT zone_id FROM shifts_store.zones WHERE name = 'navigli'").fetchone()
    assert row is not None
    for statement in (
        f"SELECT shifts_store.put_zones('{{x}}', '{{Milan}}', {polygon})",
        f"SELECT shifts_store.put_zones('{{x}}', ARRAY[NULL], {polygon})",
        f"SELECT shifts_store.put_zones('{{x,y}}', '{{Turin,Milan}}', {polygon} || {polygon})",
        f"SELECT shifts_store.delete_zone({row[0]})",
        "SELECT shifts_store.request_file('file:///x.csv', 'x.csv', NULL, NULL, NULL, 'x')",
    ):
        with psycopg.connect(database_url, options="-c role=shifts_api") as connection:
            connection.execute("SELECT set_config('shifts.writable_regions', '{Turin}', true)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="limited to other regions"):
                connection.execute(statement.encode())
    with psycopg.connect(database_url, options="-c role=shifts_api") as connection:
        connection.execute("SELECT set_config('shifts.writable_regions', '{Turin}', true)")
        connection.execute(f"SELECT shifts_store.put_zones('{{x}}', '{{Turin}}', {polygon})".encode())
        connection.rollback()


def test_rights_end_with_the_transaction(world: World, database_url: str) -> None:
    with psycopg.connect(database_url, options="-c role=shifts_api") as connection:
        connection.execute(
            "SELECT set_config('shifts.regions', '{}', true), set_config('role', 'shifts_api_limited', true)"
        )
        assert connection.execute("SELECT count(*) FROM shifts_store.regions").fetchone() == (0,)
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM shifts_store.regions").fetchone() == (2,)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("{Turin}", {"turin.csv"}),
        ("{Milan}", {"milan.csv"}),
        ("{Turin,Milan}", {"turin.csv", "milan.csv", "both.csv"}),
        ("{}", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_a_replay_reads_events_of_the_key_s_regions_only(
    world: World, dagster_database_url: str, setting: str | None, expected: set[str]
) -> None:
    with psycopg.connect(dagster_database_url, options="-c role=shifts_api") as connection:
        if setting is not None:
            connection.execute("SELECT set_config('shifts.region_names', %s, true)", [setting])
        connection.execute("SELECT set_config('role', 'shifts_api_limited', true)")
        rows = connection.execute("SELECT partition FROM shifts_feed.events").fetchall()
    assert {partition for (partition,) in rows} == expected
