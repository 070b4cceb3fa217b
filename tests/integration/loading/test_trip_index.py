"""The index of a week's trips is made by refreshes and audits; loads do without."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import psycopg
import pytest

from shifts_core.clustering.estimator import TripClusterer
from shifts_pipeline.storage.audits import audit_week
from shifts_pipeline.storage.refresh_week import RefreshRequest, refresh_week
from shifts_pipeline.storage.trip_index import index_week
from tests.integration.loading.loading import Loader
from tests.unit.core.trips.reading import HEADER

MONDAY = date(2017, 3, 6)
PARTITION = "shifts_store.trips_2017w10"
INDEX = PARTITION + "_by_file"
TRIPS = 3_000
"""More than one range of blocks holds."""


@pytest.fixture
def loader(loader: Loader) -> Loader:
    loader.execute(f"DROP TABLE IF EXISTS {PARTITION}")
    return loader


@pytest.fixture
def connection(loader: Loader) -> Iterator[psycopg.Connection]:
    with psycopg.connect(loader.url, autocommit=True) as found:
        yield found


def load(loader: Loader, name: str, region: str = "Turin") -> None:
    """Loads trips that are too far apart for clusters."""
    lines = "".join(
        f"{region},POINT ({n % 60} {n // 60}),POINT ({n // 60} {n % 60}),2017-03-0{6 + n % 3} 08:00:00,{name}\n"
        for n in range(TRIPS)
    )
    loader.put(name, HEADER + lines.encode())
    assert loader.load(name).record.rows_loaded == TRIPS


def refresh(connection: psycopg.Connection) -> None:
    request = RefreshRequest(
        tables=["aggregates"],
        regions=[],
        only_due=True,
        run_id="run",
        new_clusterer=TripClusterer,
        log=logging.getLogger(__name__),
    )
    assert refresh_week(connection, MONDAY, request).pairs >= 1


def has_index(loader: Loader) -> bool:
    return loader.query("SELECT to_regclass(%s) IS NOT NULL", INDEX) == [(True,)]


def missing_ranges(connection: psycopg.Connection) -> int:
    """Ranges of blocks that were not in the index; they are after this."""
    row = connection.execute("SELECT brin_summarize_new_values(%s)", [INDEX]).fetchone()
    assert row is not None
    return int(row[0])


def is_waiting(loader: Loader) -> bool:
    """Whether a statement waits for a lock."""
    return loader.query("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") == [(True,)]


def test_a_refresh_indexes_a_new_week(loader: Loader, connection: psycopg.Connection) -> None:
    load(loader, "first.csv")
    assert not has_index(loader)
    refresh(connection)
    assert has_index(loader)
    assert missing_ranges(connection) == 0


def test_an_audit_indexes_a_new_week(loader: Loader, connection: psycopg.Connection) -> None:
    load(loader, "first.csv")
    audit_week(connection, MONDAY)
    assert has_index(loader)


def test_the_next_refresh_adds_later_trips_to_the_index(
    loader: Loader, connection: psycopg.Connection
) -> None:
    load(loader, "first.csv")
    index_week(connection, MONDAY)
    load(loader, "second.csv", "Lyon")
    refresh(connection)
    assert missing_ranges(connection) == 0
    assert sum(row[2] for row in loader.query("SELECT * FROM shifts.weekly")) == 2 * TRIPS


def test_a_week_that_is_being_loaded_stays_without_an_index(
    loader: Loader, connection: psycopg.Connection
) -> None:
    load(loader, "first.csv")
    with psycopg.connect(loader.url) as writer:
        writer.execute(f"LOCK TABLE {PARTITION} IN ROW EXCLUSIVE MODE")
        refresh(connection)
        assert not has_index(loader)
    index_week(connection, MONDAY)
    assert has_index(loader)


def test_two_workers_may_index_a_week_at_a_time(loader: Loader, connection: psycopg.Connection) -> None:
    load(loader, "first.csv")
    with psycopg.connect(loader.url) as first, ThreadPoolExecutor(1) as pool:
        index_week(first, MONDAY)
        second = pool.submit(index_week, connection, MONDAY)
        while not (second.done() or is_waiting(loader)):
            pass
        first.commit()
        second.result()
    assert has_index(loader)


def test_a_week_without_a_partition_has_nothing_to_index(
    loader: Loader, connection: psycopg.Connection
) -> None:
    index_week(connection, MONDAY)
    assert not has_index(loader)
