"""The states of a file: the database allows what the diagram of docs/loading.md shows, and nothing else."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import psycopg
import pytest

from tests.integration.loading.loading import Loader

ROOT = Path(__file__).parents[3]
STATES = ("queued", "loading", "loaded", "failed", "duplicate", "superseded", "deleting", "deleted")

CALLS = {
    "register": "SELECT shifts_store.register_files(ARRAY['file:///a'], ARRAY['a'], ARRAY['1'], ARRAY[1::bigint])",
    "request_run": "SELECT shifts_store.request_run(ARRAY[2::bigint], 'request')",
    "begin": "SELECT shifts_store.begin_file(2, 'run')",
    "finish": "SELECT shifts_store.finish_load(2, 'bytes', 1, 0" + ", '{}'" * 11 + ")",
    "mark_duplicate": "SELECT shifts_store.finish_duplicate(2, 1, 'original', '{}', '{}', '{}', '{}', '{}', '{}')",
    "fail": "SELECT shifts_store.fail_files(ARRAY[2::bigint], 'bad', 'run', true)",
    "fail_reload": "SELECT shifts_store.fail_reload(2, 'bad')",
    "retry": "SELECT shifts_store.retry_files(ARRAY[2::bigint], 'away', true, NULL)",
    "await_version": "SELECT shifts_store.await_version(2, '2', 1)",
    "supersede": "SELECT shifts_store.supersede_files(ARRAY[2::bigint], 'replaced', 'run')",
    "promote_duplicate": "SELECT shifts_store.promote_duplicate(1, 2)",
    "requeue": "SELECT shifts_store.requeue_duplicates(1)",
    "delete": "SELECT shifts_store.mark_deleting(ARRAY[2::bigint], 'somebody')",
    "finish_deletion": "SELECT shifts_store.finish_deletion(ARRAY[2::bigint])",
}
"""A call of each transition on file 2, which may be a duplicate of file 1."""

Transitions = set[tuple[str, str | None, str]]


def test_the_diagram_shows_the_transitions_of_the_database(loader: Loader) -> None:
    text = (ROOT / "docs" / "loading.md").read_text(encoding="utf-8")
    drawn: Transitions = {
        (transition, None if before == "[*]" else before, after)
        for before, after, names in re.findall(r"^ +(\S+) --> (\w+): (.+)$", text, re.MULTILINE)
        for transition in names.split(", ")
    }
    assert drawn == _allowed(loader)


def test_every_transition_has_a_call_here_but_those_that_create_a_record(loader: Loader) -> None:
    assert {transition for transition, *_ in _allowed(loader)} - {"request", "post"} == CALLS.keys()


@pytest.mark.parametrize(("transition", "before"), list(product(CALLS, STATES)))
def test_a_transition_is_refused_from_every_state_but_those_of_the_table(
    loader: Loader, connection: psycopg.Connection, transition: str, before: str
) -> None:
    allowed = {after for name, state, after in _allowed(loader) if (name, state) == (transition, before)}
    _put_into(connection, before)
    try:
        connection.execute(CALLS[transition])
        is_refused = False
    except psycopg.Error as error:
        # The index that allows one loaded version of a file may refuse first.
        assert error.sqlstate in {"SH409", "23505"}  # noqa: PT017
        is_refused = True
    if allowed:
        assert not is_refused
        assert _status(connection) in allowed
    else:
        assert _status(connection) == before


@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES)))
def test_no_statement_sets_a_status_but_through_a_transition(
    connection: psycopg.Connection, before: str, after: str
) -> None:
    _put_into(connection, before)
    with pytest.raises(psycopg.Error, match="is not allowed"):
        connection.execute("UPDATE shifts_store.trip_files SET status = %s WHERE file_id = 2", [after])
    assert _status(connection) == before


def test_a_posted_list_never_changes_its_state(connection: psycopg.Connection) -> None:
    _put_into(connection, "loaded")
    connection.execute("UPDATE shifts_store.trip_files SET kind = 'json' WHERE file_id = 2")
    with pytest.raises(psycopg.Error, match="is not allowed"):
        connection.execute(CALLS["supersede"])


def test_a_posted_list_can_be_deleted(connection: psycopg.Connection) -> None:
    _put_into(connection, "loaded")
    connection.execute("UPDATE shifts_store.trip_files SET kind = 'json' WHERE file_id = 2")
    for transition in ("delete", "finish_deletion"):
        connection.execute(CALLS[transition])
    assert _status(connection) == "deleted"


def test_records_are_created_by_the_three_functions_of_the_diagram_only() -> None:
    creating = {
        path.name: count
        for folder in (
            "shifts_api",
            "shifts_core",
            "shifts_pipeline",
            "shifts_platform",
            "sql/trips_db/functions",
        )
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql"}
        and (count := path.read_text(encoding="utf-8").count("INSERT INTO shifts_store.trip_files"))
    }
    assert creating == {
        "file_transitions.sql": 1,
        "posting.sql": 2,
    }


@pytest.fixture
def connection(loader: Loader) -> Iterator[psycopg.Connection]:
    with psycopg.connect(loader.url, autocommit=True) as found:
        yield found


def _put_into(connection: psycopg.Connection, status: str) -> None:
    """A loaded file 1, and a file 2 in some state; only a superuser can leave out the trigger."""
    connection.execute("ALTER TABLE shifts_store.trip_files ALTER file_id RESTART")
    connection.execute(
        "INSERT INTO shifts_store.trip_files (uri, name, version, content_hash, status)"
        " VALUES ('file:///original', 'original', '1', 'original', 'loaded'),"
        " ('file:///a', 'a', '1', 'bytes', 'queued')"
    )
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "UPDATE shifts_store.trip_files SET status = %s, duplicate_of = 1 WHERE file_id = 2", [status]
        )


def _status(connection: psycopg.Connection) -> str:
    row = connection.execute("SELECT status FROM shifts_store.trip_files WHERE file_id = 2").fetchone()
    assert row is not None
    return str(row[0])


def _allowed(loader: Loader) -> Transitions:
    return set(loader.query("SELECT transition, from_status, to_status FROM shifts_store.file_transitions()"))
