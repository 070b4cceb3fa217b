"""`shifts migrate --check` lists what is pending in both databases, and changes nothing."""

from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url

from shifts_platform.cli import shifts
from shifts_platform.errors import PlatformError
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.integration.migrations.conftest import NewDatabase, dump_schema
from tests.integration.migrations.released import apply_release, release_numbers


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Settings with a data folder of the test."""
    monkeypatch.setenv("SHIFTS_DATA_DIR", str(tmp_path / "data"))
    return monkeypatch


def check() -> Result:
    return CliRunner().invoke(shifts, ["migrate", "--check"])


def test_nothing_is_pending_in_migrated_databases(
    settings: pytest.MonkeyPatch, new_database: NewDatabase
) -> None:
    settings.setenv("SHIFTS_DATABASE_URL", new_database("checked"))
    settings.setenv("SHIFTS_DAGSTER_DATABASE_URL", new_database("checked_dagster"))
    assert CliRunner().invoke(shifts, ["migrate"]).exit_code == 0
    result = check()
    assert (result.exit_code, result.output) == (0, "the databases are at this version\n")


def test_pending_scripts_of_an_earlier_version_are_listed_and_not_applied(
    settings: pytest.MonkeyPatch, new_database: NewDatabase
) -> None:
    url = new_database("earlier")
    settings.setenv("SHIFTS_DATABASE_URL", url)
    settings.setenv("SHIFTS_DAGSTER_DATABASE_URL", new_database("earlier_dagster"))
    with psycopg.connect(url, autocommit=True) as connection:
        apply_release(connection, "trips_db", release_numbers("trips_db")[-1])
    before = dump_schema(url)

    result = check()
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "pending: trips_db/migrations/0012_standard_names.sql"
    assert "pending: trips_db/functions and views" in lines
    assert any(line.startswith("pending: tables of dagster 1.") for line in lines)
    assert "pending: dagster_db/migrations/0001_feed.sql" in lines
    assert dump_schema(url) == before


def test_databases_that_do_not_exist_are_pending_and_not_created(
    settings: pytest.MonkeyPatch, postgres_server: EmbeddedPostgres
) -> None:
    url = postgres_server.url("not_there")
    settings.setenv("SHIFTS_DATABASE_URL", url)
    result = check()
    assert result.exit_code == 1
    assert "pending: create the database of sql/trips_db\n" in result.output
    assert "pending: create the database of sql/dagster_db\n" in result.output
    with psycopg.connect(postgres_server.url("postgres")) as connection:
        names = connection.execute("SELECT datname FROM pg_database").fetchall()
    assert not any(make_url(url).database in name for (name,) in names)


def test_everything_is_pending_before_the_embedded_server_exists(
    settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = check()
    assert result.exit_code == 1
    assert "pending: trips_db/migrations/0001_unnumbered_databases.sql\n" in result.output
    assert not (tmp_path / "data/postgres").exists()


def test_an_edited_migration_is_an_error(settings: pytest.MonkeyPatch, new_database: NewDatabase) -> None:
    url = new_database("edited")
    settings.setenv("SHIFTS_DATABASE_URL", url)
    with psycopg.connect(url, autocommit=True) as connection:
        apply_release(connection, "trips_db", release_numbers("trips_db")[-1])
        connection.execute("UPDATE shifts_migrations SET checksum = '' WHERE name LIKE '%/0003_%'")
    assert isinstance(check().exception, PlatformError)
