"""Functions of both databases never call objects of other users."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from shifts_platform.migrations.databases import migrate_trips_database
from tests.database import query
from tests.integration.migrations.conftest import NewDatabase
from tests.posted_trip import post_trip

FUNCTIONS = """
SELECT p.oid::regprocedure::text AS function, n.nspname, l.lanname, p.prosecdef, p.proconfig,
       has_function_privilege('somebody', p.oid, 'EXECUTE')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
  AND NOT EXISTS (
      SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
"""
POST = post_trip("%s", "'print'")
# Each matches a call better than the built-in function, which accepts any type.
OVERLOADS = (
    ("format", "text, text", "text"),
    ("format", "text, text, text, text", "text"),
    ("cardinality", "text[]", "integer"),
    ("cardinality", "bigint[]", "integer"),
    ("unnest", "text[]", "SETOF text"),
    ("unnest", "date[]", "SETOF date"),
    ("jsonb_build_object", "text, text", "jsonb"),
)


@pytest.fixture(params=["database_url", "dagster_database_url"])
def database(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def somebody(database_url: str) -> Iterator[str]:
    """A login without rights."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE somebody LOGIN PASSWORD 'secret'")
        yield "somebody"
        connection.execute("DROP ROLE somebody")


def test_every_function_searches_only_trusted_schemas(database: str, somebody: str) -> None:
    found = query(database, FUNCTIONS)
    assert any(with_owners_rights for _, _, _, with_owners_rights, *_ in found)
    for name, schema, language, with_owners_rights, config, anybody_may in found:
        if with_owners_rights or language == "plpgsql":
            assert f"search_path=pg_catalog, {schema}, pg_temp" in (config or []), name
        assert not (with_owners_rights and anybody_may), name


def test_only_the_owner_may_create_in_schemas_that_functions_search(database: str, somebody: str) -> None:
    creators = query(
        database,
        "SELECT n.nspname, r.rolname FROM pg_namespace n, pg_roles r WHERE n.nspname IN"
        " ('pg_catalog', 'public', 'shifts', 'shifts_store', 'shifts_feed') AND NOT r.rolsuper"
        " AND r.oid <> n.nspowner AND has_schema_privilege(r.oid, n.oid, 'CREATE')",
    )
    assert creators == []


def test_upgrades_revoke_create_on_schema_public(new_database: NewDatabase) -> None:
    url = new_database("as_of_postgresql_14")
    with psycopg.connect(url) as connection:
        connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    migrate_trips_database(url)
    assert query(url, "SELECT has_schema_privilege('shifts_reader', 'public', 'CREATE')") == [(False,)]


@pytest.fixture
def trapped(database: str, somebody: str) -> Iterator[str]:
    """A database with functions of another login that match calls better than the built-in ones."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("GRANT USAGE, CREATE ON SCHEMA public TO somebody")
        with psycopg.connect(database, user=somebody, password="secret") as attacker:
            for name, arguments, result in OVERLOADS:
                attacker.execute(
                    f"CREATE FUNCTION public.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql"
                    " AS $$ BEGIN RAISE 'ran as %', current_user; END $$"
                )
        yield database
        owner.execute("DROP OWNED BY somebody")


@pytest.fixture
def trusting(trapped: str) -> Iterator[None]:
    """Makes functions search the schema that other users write to."""
    with psycopg.connect(trapped, autocommit=True) as owner:
        functions = owner.execute(
            "SELECT oid::regprocedure::text, pronamespace::regnamespace::text FROM pg_proc"
            " WHERE proconfig IS NOT NULL AND pronamespace::regnamespace::text IN ('shifts_store', 'shifts_feed')"
        ).fetchall()
        for name, _ in functions:
            owner.execute(f"ALTER FUNCTION {name} SET search_path = public, pg_temp")
        yield
        for name, schema in functions:
            owner.execute(f"ALTER FUNCTION {name} SET search_path = pg_catalog, {schema}, pg_temp")


def post(url: str, key: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, options="-c role=shifts_api") as connection:
        return connection.execute(POST.encode(), [key]).fetchall()


def log(url: str, run_id: str) -> list[tuple[Any, ...]]:
    """Logs a failed check as Dagster does; returns its messages in the feed."""
    event = {"dagster_event": {"event_specific_data": {"success": False, "check_name": "has_rows"}}}
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp)"
            " VALUES (%s, %s, 'ASSET_CHECK_EVALUATION', now())",
            [run_id, json.dumps(event)],
        )
        return connection.execute(
            "SELECT message FROM shifts_feed.events WHERE run_id = %s", [run_id]
        ).fetchall()


@pytest.mark.parametrize("database", ["database_url"], indirect=True)
def test_functions_of_others_are_not_called_by_a_post(trapped: str) -> None:
    assert len(post(trapped, "key")) == 1


@pytest.mark.parametrize("database", ["database_url"], indirect=True)
def test_functions_of_others_would_be_called_in_a_searched_schema(trapped: str, trusting: None) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="ran as shifts"):
        post(trapped, "other")


@pytest.mark.parametrize("database", ["dagster_database_url"], indirect=True)
def test_functions_of_others_are_not_called_by_an_event(trapped: str) -> None:
    assert log(trapped, "run") == [("check has_rows failed",)]


@pytest.mark.parametrize("database", ["dagster_database_url"], indirect=True)
def test_functions_of_others_would_be_called_by_an_event_in_a_searched_schema(
    trapped: str, trusting: None
) -> None:
    assert log(trapped, "other") == []
