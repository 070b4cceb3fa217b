"""How `shifts migrate` applies files: each once, in order, all or nothing, also when several do it at once."""

import threading
from pathlib import Path

import psycopg
import pytest

from shifts_platform.errors import PlatformError
from shifts_platform.migrations.files import read_sql_files
from shifts_platform.migrations.upgrade import upgrade
from tests.database import query
from tests.integration.migrations.conftest import NewDatabase, dump_schema

FILES = {
    "migrations/0001_trips.sql": "CREATE SCHEMA s; CREATE TABLE s.trips (id integer, note text)",
    "functions/count.sql": "CREATE OR REPLACE FUNCTION s.trip_count() RETURNS bigint"
    " LANGUAGE sql AS 'SELECT n FROM s.counts'",
    "views/counts.sql": "CREATE OR REPLACE VIEW s.counts AS SELECT count(*) AS n FROM s.trips",
    "grants/public.sql": "GRANT USAGE ON SCHEMA s TO PUBLIC",
}
"""A first version. Its function reads a view that is created later."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "area"
    write(path, FILES)
    return path


@pytest.fixture
def url(new_database: NewDatabase) -> str:
    return new_database("upgraded")


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def apply(url: str, folder: Path) -> list[str]:
    with psycopg.connect(url, autocommit=True) as connection:
        return upgrade(connection, read_sql_files(folder), ["s"])


def test_a_database_is_upgraded_once(url: str, folder: Path) -> None:
    assert apply(url, folder) == [
        "area/migrations/0001_trips.sql",
        "area/functions and views",
        "area/grants",
    ]
    assert query(url, "SELECT s.trip_count()") == [(0,)]
    assert apply(url, folder) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"migrations/0003_broken.sql": "ALTER TABLE s.trips DROP COLUMN nothing"},
        {
            "functions/broken.sql": "CREATE FUNCTION s.broken() RETURNS bigint LANGUAGE sql AS 'SELECT nothing'"
        },
        {"functions/broken.sql": "CREATE FUNCTION s.broken() RETURNS void LANGUAGE plpgsql AS 'nothing'"},
        {"views/broken.sql": "CREATE VIEW s.broken AS SELECT nothing"},
        {"grants/broken.sql": "GRANT USAGE ON SCHEMA nothing TO PUBLIC"},
    ],
)
def test_a_failed_upgrade_changes_nothing(url: str, folder: Path, broken: dict[str, str]) -> None:
    apply(url, folder)
    before = dump_schema(url), query(url, "SELECT name, checksum FROM public.shifts_migrations")
    write(folder, {"migrations/0002_more.sql": "CREATE TABLE s.more (id integer)", **broken})

    with pytest.raises(PlatformError) as raised:
        apply(url, folder)
    assert "nothing" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert (dump_schema(url), query(url, "SELECT name, checksum FROM public.shifts_migrations")) == before

    for name in broken:
        (folder / name).unlink()
    apply(url, folder)
    assert query(url, "SELECT * FROM s.more") == []


def test_changed_grants_are_applied_and_reported(url: str, folder: Path) -> None:
    apply(url, folder)
    write(folder, {"grants/public.sql": "REVOKE USAGE ON SCHEMA s FROM PUBLIC"})
    write(folder.parent / "shared", {"grants/all.sql": "GRANT CREATE ON SCHEMA s TO PUBLIC"})
    assert apply(url, folder) == ["area/grants"]
    granted = (
        "SELECT has_schema_privilege('public', 's', 'USAGE'), has_schema_privilege('public', 's', 'CREATE')"
    )
    assert query(url, granted) == [(False, True)]
    assert apply(url, folder) == []


def test_an_edited_migration_is_refused(url: str, folder: Path) -> None:
    apply(url, folder)
    write(folder, {"migrations/0001_trips.sql": FILES["migrations/0001_trips.sql"] + ";"})
    with pytest.raises(PlatformError, match=r"^area/migrations/0001_trips\.sql was edited after"):
        apply(url, folder)


def test_a_database_of_a_newer_version_is_refused(url: str, folder: Path) -> None:
    write(folder, {"migrations/0002_more.sql": "CREATE TABLE s.more (id integer)"})
    apply(url, folder)
    (folder / "migrations/0002_more.sql").unlink()
    with pytest.raises(
        PlatformError, match=r"newer version than this program: it has area/migrations/0002_more"
    ):
        apply(url, folder)


@pytest.mark.parametrize("name", ["0001_second.sql", "0003_gap.sql", "2_short.sql", "0002_Case.sql"])
def test_migrations_are_numbered_without_gaps(url: str, folder: Path, name: str) -> None:
    write(folder, {f"migrations/{name}": "SELECT 1"})
    with pytest.raises(PlatformError, match=r"expected the migration with number 000[12]"):
        apply(url, folder)


def test_a_migration_of_another_name_is_refused(url: str, folder: Path) -> None:
    apply(url, folder)
    (folder / "migrations/0001_trips.sql").rename(folder / "migrations/0001_tables.sql")
    with pytest.raises(PlatformError, match="0001_"):
        apply(url, folder)


def test_functions_and_views_may_change_what_they_return(url: str, folder: Path) -> None:
    apply(url, folder)
    write(
        folder,
        {
            "functions/count.sql": "CREATE OR REPLACE FUNCTION s.trip_count() RETURNS text"
            " LANGUAGE sql AS 'SELECT trips::text FROM s.counts'",
            "views/counts.sql": "CREATE OR REPLACE VIEW s.counts AS SELECT count(*) AS trips FROM s.trips",
        },
    )
    assert apply(url, folder) == ["area/functions and views"]
    assert query(url, "SELECT s.trip_count()") == [("0",)]


def test_objects_that_no_file_defines_any_more_are_dropped(
    url: str, folder: Path, new_database: NewDatabase
) -> None:
    write(
        folder,
        {
            "functions/former.sql": "CREATE OR REPLACE FUNCTION s.former() RETURNS trigger"
            " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE OR REPLACE TRIGGER former AFTER INSERT ON s.trips EXECUTE FUNCTION s.former();"
            "CREATE OR REPLACE FUNCTION s.trip_count(more bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
            "views/former.sql": "CREATE OR REPLACE VIEW s.former AS SELECT 1 AS one",
        },
    )
    apply(url, folder)
    for name in ("functions/former.sql", "views/former.sql"):
        (folder / name).unlink()
    apply(url, folder)

    fresh = new_database("fresh")
    apply(fresh, folder)
    assert dump_schema(url) == dump_schema(fresh)


def test_views_outside_the_platform_are_kept_or_named_in_the_error(url: str, folder: Path) -> None:
    apply(url, folder)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE VIEW public.mine AS SELECT n FROM s.counts")
    write(folder, {"migrations/0002_more.sql": "CREATE TABLE s.more (id integer)"})
    apply(url, folder)
    assert query(url, "SELECT n FROM public.mine") == [(0,)]

    write(
        folder,
        {"views/counts.sql": "CREATE OR REPLACE VIEW s.counts AS SELECT count(*)::text AS n FROM s.trips"},
    )
    with pytest.raises(PlatformError, match=r"drop this first, .*view public.mine depends on view s.counts"):
        apply(url, folder)
    assert query(url, "SELECT n FROM public.mine") == [(0,)]


def test_upgrades_at_the_same_time_apply_each_file_once(url: str, folder: Path) -> None:
    write(folder, {"migrations/0002_row.sql": "INSERT INTO s.trips VALUES (1)"})
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(apply(url, folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(len, applied)) == [0, 0, 0, 4]
    assert query(url, "SELECT count(*) FROM s.trips") == [(1,)]


def test_tables_in_use_end_an_upgrade_with_one_line(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(url, folder)
    monkeypatch.setattr("shifts_platform.migrations.upgrade._LOCK_TIMEOUT", "50ms")
    write(folder, {"migrations/0002_more.sql": "ALTER TABLE s.trips ADD COLUMN more integer"})
    with psycopg.connect(url) as reader:
        reader.execute("SELECT * FROM s.trips")
        with pytest.raises(PlatformError, match="the tables are in use"):
            apply(url, folder)
    assert apply(url, folder)[0] == "area/migrations/0002_more.sql"
