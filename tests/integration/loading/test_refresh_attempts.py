"""Which stale pairs are due, and how long a pair pauses after each failed refresh."""

from collections.abc import Iterator
from datetime import date, timedelta

import psycopg
import pytest

from shifts_core.calendar import DateRange
from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.region_week import DerivedTable
from shifts_pipeline.storage.stale_pairs import FIRST_PAUSE, LONGEST_PAUSE
from tests.integration.loading.loading import Loader
from tests.unit.core.trips.reading import HEADER, LINE

EARLY, MONDAY = date(2018, 5, 21), date(2018, 5, 28)
END = MONDAY + timedelta(weeks=1)


@pytest.fixture
def connection(loader: Loader) -> Iterator[psycopg.Connection]:
    """Turin's trips of two weeks are loaded, the later week before the earlier one."""
    for name, line in (("a.csv", LINE), ("b.csv", LINE.replace(b"2018-05-28", b"2018-05-21"))):
        loader.put(name, HEADER + line)
        loader.load(name)
    loader.execute("TRUNCATE shifts_store.refresh_attempts")
    with psycopg.connect(loader.url, autocommit=True) as found:
        yield found


def _due(
    connection: psycopg.Connection,
    table: DerivedTable = "clusters",
    *,
    first: date = EARLY,
    end: date = END,
    min_age: timedelta = timedelta(0),
    limit: int = 10,
) -> list[date]:
    pairs = stale_pairs.due_pairs(connection, table, DateRange(first, end), min_age=min_age, limit=limit)
    return [pair.week for pair in pairs]


def _attempt(connection: psycopg.Connection, column: str) -> object:
    row = connection.execute(f"SELECT {column} FROM shifts_store.refresh_attempts").fetchone()
    return row and row[0]


def test_pairs_are_due_oldest_first_and_up_to_the_limit(connection: psycopg.Connection) -> None:
    assert _due(connection) == [MONDAY, EARLY]
    assert _due(connection, limit=1) == [MONDAY]


def test_pairs_that_changed_just_now_are_not_due_yet(connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE shifts_store.region_weeks SET stale_since = now() - interval '2 hours' WHERE week = %s",
        [EARLY],
    )
    assert _due(connection, min_age=timedelta(hours=1)) == [EARLY]


def test_pairs_in_weeks_without_partitions_are_counted_and_not_due(connection: psycopg.Connection) -> None:
    for first, end, due in ((EARLY, MONDAY, [EARLY]), (MONDAY, END, [MONDAY])):
        assert _due(connection, first=first, end=end) == due
        assert stale_pairs.outside(connection, DateRange(first, end)) == 1
    assert stale_pairs.outside(connection, DateRange(EARLY, END)) == 0


def test_a_failed_refresh_pauses_its_derived_table_and_pair_only(connection: psycopg.Connection) -> None:
    stale_pairs.begin(connection, "clusters", "Turin", MONDAY, "run")
    connection.execute("UPDATE shifts_store.refresh_attempts SET retry_at = now() + interval '1 hour'")
    both = [("Turin", EARLY), ("Turin", MONDAY)]
    assert _due(connection) == [EARLY]
    assert stale_pairs.due_among(connection, "clusters", both) == {("Turin", EARLY)}
    assert _due(connection, "aggregates") == [MONDAY, EARLY]
    assert stale_pairs.due_among(connection, "aggregates", both) == set(both)
    assert stale_pairs.due_among(connection, "aggregates", both[:1]) == set(both[:1])
    stale_pairs.end(connection, "aggregates", "Turin", MONDAY)
    assert _due(connection) == [EARLY]
    stale_pairs.end(connection, "clusters", "Turin", MONDAY)
    assert _due(connection) == [MONDAY, EARLY]


def test_each_refresh_that_does_not_end_doubles_the_pause_up_to_the_longest(
    connection: psycopg.Connection,
) -> None:
    for attempts in range(1, 9):
        stale_pairs.begin(connection, "clusters", "Turin", MONDAY, f"run {attempts}")
        assert _attempt(connection, "attempts") == attempts
        assert _attempt(connection, "retry_at - started_at") == min(
            FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE
        )
    assert stale_pairs.runs_with_failures(connection, ["run 1", "run 8", "run 9"]) == {"run 8"}


def test_the_pause_begins_when_a_refresh_fails_however_long_it_took(connection: psycopg.Connection) -> None:
    stale_pairs.begin(connection, "clusters", "Turin", MONDAY, "run")
    assert _attempt(connection, "error") == "its run ended without a message"
    connection.execute(
        "UPDATE shifts_store.refresh_attempts"
        " SET started_at = started_at - interval '1 hour', retry_at = retry_at - interval '1 hour'"
    )
    stale_pairs.fail(connection, "clusters", "Turin", MONDAY, "no room")
    assert _attempt(connection, "error") == "no room"
    pause = _attempt(connection, "retry_at - started_at")
    assert isinstance(pause, timedelta)
    assert pause >= timedelta(hours=1) + FIRST_PAUSE
