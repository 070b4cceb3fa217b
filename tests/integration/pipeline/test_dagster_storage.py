"""The connections of Dagster's storage as the platform opens it: few, and they stay open."""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import psycopg
import pytest
from sqlalchemy import make_url

from shifts_platform.dagster_storage import PlatformStorage
from tests.conftest import NO_LOGS
from tests.integration.api.running import wait_until


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Of the connections of a test: those of the instance before may still be open."""
    return f"storage {zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def instance(
    dagster_database_url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance with the storage that `dagster.yaml` names."""
    url = make_url(dagster_database_url).set(drivername="postgresql+psycopg2")
    named = url.update_query_dict({"application_name": name})
    monkeypatch.setenv("SHIFTS_DAGSTER_DATABASE_URL", named.render_as_string(hide_password=False))
    storage = {"module": PlatformStorage.__module__, "class": PlatformStorage.__name__, "config": {}}
    with dg.instance_for_test(overrides={"storage": {"custom": storage}, "compute_logs": NO_LOGS}) as found:
        yield found


@pytest.fixture
def connection(dagster_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dagster_database_url, autocommit=True) as found:
        yield found


def open_connections(connection: psycopg.Connection, name: str) -> list[int]:
    """Their server processes."""
    statement = "SELECT pid FROM pg_stat_activity WHERE application_name = %s ORDER BY 1"
    return [pid for (pid,) in connection.execute(statement, [name])]


def ask(instance: dg.DagsterInstance) -> None:
    """Asks each part of the storage."""
    assert instance.get_runs() == []
    assert instance.all_asset_keys() == []
    assert instance.all_instigator_state() == []


def test_runs_events_and_schedules_use_the_same_connection_again(
    instance: dg.DagsterInstance, connection: psycopg.Connection, name: str
) -> None:
    ask(instance)
    first = open_connections(connection, name)
    ask(instance)
    assert open_connections(connection, name) == first
    assert len(first) == 1


def test_many_threads_get_a_connection_each_and_leave_two_open(
    instance: dg.DagsterInstance, connection: psycopg.Connection, name: str
) -> None:
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: ask(instance), range(60)))
    # A server process ends some time after its connection was closed.
    wait_until(lambda: len(open_connections(connection, name)) <= 2, 30)


def test_a_connection_that_the_server_has_closed_is_replaced(
    instance: dg.DagsterInstance, connection: psycopg.Connection, name: str
) -> None:
    ask(instance)
    before = open_connections(connection, name)
    connection.execute("SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s) AS pid", [before])
    ask(instance)
    assert before
    assert not {*before} & {*open_connections(connection, name)}
