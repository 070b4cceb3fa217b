"""The connections of Dagster's storage as the platform opens it: few, and they stay open."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import psycopg
import pytest
from sqlalchemy import make_url

from shifts_platform.dagster_storage import PlatformStorage

APPLICATION = "storage under test"
OPEN = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{APPLICATION}' ORDER BY 1"


@pytest.fixture
def instance(dagster_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with the storage that `dagster.yaml` names."""
    url = make_url(dagster_database_url).set(drivername="postgresql+psycopg2")
    named = url.update_query_dict({"application_name": APPLICATION})
    monkeypatch.setenv("SHIFTS_DAGSTER_DATABASE_URL", named.render_as_string(hide_password=False))
    storage = {"module": PlatformStorage.__module__, "class": PlatformStorage.__name__, "config": {}}
    with dg.instance_for_test(overrides={"storage": {"custom": storage}}) as found:
        yield found


def ask(instance: dg.DagsterInstance) -> None:
    """Asks each part of the storage."""
    assert instance.get_runs() == []
    assert instance.all_asset_keys() == []
    assert instance.all_instigator_state() == []


def test_runs_events_and_schedules_use_the_same_connection_again(
    instance: dg.DagsterInstance, dagster_database_url: str
) -> None:
    with psycopg.connect(dagster_database_url, autocommit=True) as connection:
        ask(instance)
        first = connection.execute(OPEN).fetchall()
        ask(instance)
        assert connection.execute(OPEN).fetchall() == first
        assert len(first) == 1


def test_many_threads_get_a_connection_each_and_leave_two_open(
    instance: dg.DagsterInstance, dagster_database_url: str
) -> None:
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: ask(instance), range(60)))
    with psycopg.connect(dagster_database_url, autocommit=True) as connection:
        # A server process ends some time after its connection was closed.
        while len(connection.execute(OPEN).fetchall()) > 2:
            pass


def test_a_connection_that_the_server_has_closed_is_replaced(
    instance: dg.DagsterInstance, dagster_database_url: str
) -> None:
    with psycopg.connect(dagster_database_url, autocommit=True) as connection:
        ask(instance)
        before = connection.execute(OPEN).fetchall()
        connection.execute(f"SELECT pg_terminate_backend(pid, 10000) FROM ({OPEN}) AS found")
        ask(instance)
        after = connection.execute(OPEN).fetchall()
    assert before
    assert not {*before} & {*after}
