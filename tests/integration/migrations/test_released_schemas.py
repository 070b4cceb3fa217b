"""Databases of all released versions, with data, are upgraded to the newest schema."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from shifts_platform.migrations.databases import migrate_dagster_database, migrate_trips_database
from tests.conftest import dagster_instance
from tests.database import query
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, running
from tests.integration.migrations.conftest import NewDatabase, dump_schema
from tests.integration.migrations.released import MONDAYS, apply_release, contents, fill, release_numbers

TRIPS_RELEASES = release_numbers("trips_db")
NEWEST_RELEASE = TRIPS_RELEASES[-1]
LAST_WITHOUT_NUMBERS = 12
FIRST_WITH_TILES = 8
EVERYWHERE = "NULL, -180, -90, 180, 90"
ANY_TIME = "NULL, NULL, NULL"


@pytest.fixture(scope="module")
def fresh_schema(database_url: str) -> str:
    """The schema of a new database that has the weeks of the data, with their indexes."""
    with psycopg.connect(database_url) as connection:
        for week in MONDAYS:
            connection.execute("SELECT shifts_store.ensure_week(%s)", [week])
            connection.execute("SELECT shifts_store.index_week(%s)", [week])
    return dump_schema(database_url)


def release(new_database: NewDatabase, number: int) -> str:
    url = new_database(f"release_{number}")
    with psycopg.connect(url, autocommit=True) as connection:
        apply_release(connection, "trips_db", number)
        fill(connection)
    return url


def check_upgrade(url: str, fresh_schema: str) -> None:
    """Upgrades a filled database and compares its schema, its data and what is stale."""
    before = contents(url)
    assert sum(map(len, before)) > 60

    migrate_trips_database(url)
    assert dump_schema(url) == fresh_schema
    assert contents(url) == before
    assert migrate_trips_database(url) == []

    # Tiles of these versions have no minutes.
    stale = query(
        url, "SELECT region, week FROM shifts_store.stale_weeks WHERE aggregates_stale ORDER BY 1, 2"
    )
    everything = [(region, week) for region in ("Prague", "Turin") for week in MONDAYS]
    assert stale == everything
    assert query(url, "SELECT * FROM shifts.weekly ORDER BY 1, 2") == [(*pair, 12) for pair in everything]
    # Each trip is counted once: in a tile or one by one.
    tiles = query(
        url,
        "SELECT r.name, week, t.trips::bigint FROM shifts_store.weekly_trip_tiles t"
        " JOIN shifts_store.tile_segments s USING (region_id, week, segment, trips)"
        " JOIN shifts_store.regions r USING (region_id)",
    )
    pending = query(
        url,
        "SELECT r.name, p.week, p.trips FROM shifts_store.regions r, shifts_store.count_pending("
        f"r.region_id, {EVERYWHERE}, 'both', {ANY_TIME}, '2018-01-01', '2018-12-31', '{{}}') AS p",
    )
    assert sorted(tiles + pending) == [(*pair, 12) for pair in everything]


@pytest.mark.parametrize("number", TRIPS_RELEASES)
def test_every_released_schema_is_upgraded_with_its_data(
    new_database: NewDatabase, fresh_schema: str, number: int
) -> None:
    url = release(new_database, number)
    check_upgrade(url, fresh_schema)


@pytest.mark.parametrize("number", range(1, FIRST_WITH_TILES))
def test_a_half_applied_upgrade_of_an_earlier_version_is_completed(
    new_database: NewDatabase, fresh_schema: str, number: int
) -> None:
    url = release(new_database, number)
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.Error):
        apply_release(connection, "trips_db", LAST_WITHOUT_NUMBERS)
    check_upgrade(url, fresh_schema)


@pytest.mark.parametrize("number", [FIRST_WITH_TILES - 1, NEWEST_RELEASE])
def test_an_upgraded_database_is_refreshed_and_answers(
    new_database: NewDatabase, dagster_database_url: str, tmp_path: Path, number: int
) -> None:
    url = release(new_database, number)
    migrate_trips_database(url)
    (tmp_path / "landing").mkdir()
    service = Service(url, dagster_database_url, tmp_path / "landing", tmp_path / "api.log")
    question = {"region": "Turin", "bbox": "7.5,44.9,7.6055,45.1"}

    def count(**times: str) -> Any:
        answer = httpx.get(f"{service.api}/trips/weekly", params=question | times)
        return [week["trips"] for week in answer.raise_for_status().json()["series"]]

    with running(service), pipeline_of(service) as pipeline:
        assert count() == [6, 6]
        assert count(time="08:01-08:03", weekdays="mon") == [2, 2]
        # Refreshes wait while a file is queued.
        pipeline.execute(
            "SELECT shifts_store.fail_files(array_agg(file_id), 'x', NULL, false) FROM shifts_store.trip_files"
            " WHERE status = 'queued'"
        )
        assert [run.success for run in pipeline.refresh()] == [True]
        assert pipeline.query("SELECT * FROM shifts_store.stale_weeks") == []
        assert pipeline.query("SELECT * FROM shifts_store.file_week_counts WHERE NOT aggregated") == []
        assert (
            pipeline.query(
                "SELECT * FROM shifts_store.weekly_trip_tiles WHERE octet_length(high_bits) <= 8 * trips"
            )
            == []
        )
        assert count() == [6, 6]
        assert count(time="08:01-08:03", weekdays="mon") == [2, 2]


@pytest.fixture(scope="module")
def dagster_tables(postgres_server: Any) -> Iterator[str]:
    """A database with Dagster's own tables."""
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE dagster_tables")
        with dagster_instance(postgres_server.url("dagster_tables")):
            pass
        yield "dagster_tables"
        connection.execute("DROP DATABASE dagster_tables WITH (FORCE)")


@pytest.mark.parametrize("number", release_numbers("dagster_db"))
def test_every_released_feed_is_upgraded_with_its_events(
    new_database: Any, dagster_tables: str, number: int
) -> None:
    fresh = new_database("fresh", dagster_tables)
    migrate_dagster_database(fresh)
    url = new_database(f"release_{number}", dagster_tables)
    with psycopg.connect(url, autocommit=True) as connection:
        apply_release(connection, "dagster_db", number)
        connection.execute(
            "SELECT shifts_feed.publish('file.loaded', 'r', '{t}', 'raw_trips', 'a.csv', 'done')"
        )
    before = query(url, "SELECT * FROM shifts_feed.events")

    migrate_dagster_database(url)
    assert dump_schema(url) == dump_schema(fresh)
    assert query(url, "SELECT * FROM shifts_feed.events") == before
