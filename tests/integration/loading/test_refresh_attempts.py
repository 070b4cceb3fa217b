"""Which stale pairs are due, who refreshes them, and how long a pair pauses after each failed refresh."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.region_week import DERIVED_TABLES, DerivedTable
from shifts_pipeline.storage.stale_pairs import FIRST_PAUSE, LONGEST_PAUSE, Pair, WeekTotals
from tests.integration.loading.loading import Loader
from tests.unit.core.trips.reading import HEADER, LINE

EARLY, MONDAY = date(2018, 5, 21), date(2018, 5, 28)
PRAGUE = LINE.replace(b"Turin", b"Prague")


@pytest.fixture
def loader(loader: Loader) -> Loader:
    """A trip of Turin in each of two weeks, the later week loaded first; two trips of Prague in the later week."""
    for name, lines in (
        ("a.csv", LINE + PRAGUE * 2),
        ("b.csv", LINE.replace(b"2018-05-28", b"2018-05-21")),
    ):
        loader.put(name, HEADER + lines)
        loader.load(name)
    loader.execute("TRUNCATE shifts_store.refresh_attempts")
    return loader


@pytest.fixture
def connection(loader: Loader) -> Iterator[psycopg.Connection]:
    with psycopg.connect(loader.url, autocommit=True) as found:
        yield found


@pytest.fixture
def other(loader: Loader) -> Iterator[psycopg.Connection]:
    """The connection of another worker."""
    with psycopg.connect(loader.url, autocommit=True) as found:
        found.execute("SET lock_timeout = '10s'")
        yield found


def due(
    connection: psycopg.Connection, week: date = MONDAY, min_age: timedelta = timedelta(0)
) -> dict[str, tuple[DerivedTable, ...]]:
    return {pair.region: pair.tables for pair in stale_pairs.due_pairs(connection, week, min_age)}


def turin(connection: psycopg.Connection, week: date = MONDAY) -> Pair:
    (found,) = (pair for pair in stale_pairs.all_pairs(connection, week) if pair.region == "Turin")
    return found


def begin(
    connection: psycopg.Connection,
    tables: Sequence[DerivedTable] = DERIVED_TABLES,
    run_id: str = "run",
    *,
    only_due: bool = True,
) -> tuple[DerivedTable, ...]:
    return stale_pairs.begin(connection, turin(connection), tables, run_id, only_due=only_due)


def make_fresh(connection: psycopg.Connection, table: DerivedTable, where: str = "true") -> None:
    connection.execute(f"UPDATE shifts_store.region_weeks SET {table}_revision = revision WHERE {where}")


def end_pauses(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE shifts_store.refresh_attempts SET retry_at = now()")


def attempts(connection: psycopg.Connection, columns: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"SELECT derived_table, {columns} FROM shifts_store.refresh_attempts ORDER BY derived_table"
    ).fetchall()


def locks(connection: psycopg.Connection) -> int:
    """Advisory locks in this database."""
    row = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_pairs_of_a_week_are_due_with_the_largest_first(connection: psycopg.Connection) -> None:
    pairs = stale_pairs.due_pairs(connection, MONDAY)
    assert [(pair.region, pair.week, pair.trips, pair.tables) for pair in pairs] == [
        ("Prague", MONDAY, 2, DERIVED_TABLES),
        ("Turin", MONDAY, 1, DERIVED_TABLES),
    ]
    assert due(connection, EARLY) == {"Turin": DERIVED_TABLES}
    assert due(connection, date(2018, 6, 4)) == {}


def test_only_stale_tables_of_a_pair_are_due(connection: psycopg.Connection) -> None:
    make_fresh(connection, "aggregates")
    assert due(connection) == {"Prague": ("clusters",), "Turin": ("clusters",)}
    make_fresh(connection, "clusters", "region_id = (SELECT min(region_id) FROM shifts_store.region_weeks)")
    assert len(due(connection)) == 1
    make_fresh(connection, "clusters")
    assert due(connection) == {}


def test_pairs_that_changed_just_now_are_not_due_yet(connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE shifts_store.region_weeks SET stale_since = now() - interval '2 hours' WHERE region_id ="
        " (SELECT region_id FROM shifts_store.regions WHERE name = 'Turin')"
    )
    assert due(connection, min_age=timedelta(hours=1)).keys() == {"Turin"}
    assert due(connection, min_age=timedelta(hours=3)) == {}


def test_a_pair_whose_trips_are_all_deleted_is_due_once_more(
    loader: Loader, connection: psycopg.Connection
) -> None:
    for table in DERIVED_TABLES:
        make_fresh(connection, table)
    loader.put("b.csv", HEADER + LINE)
    loader.load("b.csv")
    (pair,) = stale_pairs.due_pairs(connection, EARLY)
    assert (pair.region, pair.trips) == ("Turin", 0)
    assert stale_pairs.week_totals(connection, EARLY) == WeekTotals(0, 0, 1, 1)


def test_all_pairs_of_a_week_are_listed_fresh_and_paused_ones_too(connection: psycopg.Connection) -> None:
    begin(connection)
    for table in DERIVED_TABLES:
        make_fresh(connection, table)
    pairs = stale_pairs.all_pairs(connection, MONDAY)
    assert [(pair.region, pair.tables) for pair in pairs] == [
        ("Prague", DERIVED_TABLES),
        ("Turin", DERIVED_TABLES),
    ]


def test_a_pair_that_another_worker_holds_is_left_to_it(
    connection: psycopg.Connection, other: psycopg.Connection
) -> None:
    assert begin(connection) == DERIVED_TABLES
    end_pauses(connection)
    assert begin(other, run_id="other") == ()
    assert [run_id for _, run_id in attempts(connection, "run_id")] == ["run"] * 2
    stale_pairs.end(connection, turin(connection), succeeded=())
    end_pauses(connection)
    assert begin(other, run_id="other") == DERIVED_TABLES
    assert locks(connection) == 1


def test_pairs_of_one_region_or_week_are_locked_independently(
    connection: psycopg.Connection, other: psycopg.Connection
) -> None:
    pairs = [*stale_pairs.due_pairs(connection, MONDAY), *stale_pairs.due_pairs(connection, EARLY)]
    for number, pair in enumerate(pairs):
        worker = (connection, other)[number % 2]
        assert stale_pairs.begin(worker, pair, DERIVED_TABLES, "run", only_due=True) == DERIVED_TABLES
    assert locks(connection) == len(pairs) == 3


def test_a_run_by_hand_waits_for_the_worker_that_holds_a_pair(
    connection: psycopg.Connection, other: psycopg.Connection
) -> None:
    begin(connection)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(begin, other, run_id="by hand", only_due=False)
        while connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is None:
            assert not waiting.done()
        make_fresh(connection, "aggregates")
        stale_pairs.end(connection, turin(connection), succeeded=DERIVED_TABLES)
        # It refreshes fresh tables too: somebody asked for it.
        assert waiting.result(timeout=10) == DERIVED_TABLES
    assert [run_id for _, run_id in attempts(connection, "run_id")] == ["by hand"] * 2


def test_a_pair_whose_worker_dies_is_unlocked_and_pauses(loader: Loader, other: psycopg.Connection) -> None:
    with psycopg.connect(loader.url, autocommit=True) as worker:
        begin(worker)
    assert due(other).keys() == {"Prague"}
    assert begin(other) == ()
    end_pauses(other)
    assert due(other).keys() == {"Prague", "Turin"}
    assert begin(other) == DERIVED_TABLES


def test_tables_that_became_fresh_or_paused_meanwhile_are_omitted(
    connection: psycopg.Connection, other: psycopg.Connection
) -> None:
    make_fresh(connection, "aggregates")
    assert begin(connection) == ("clusters",)
    stale_pairs.end(connection, turin(connection), succeeded=(), failed=["clusters"], error="no room")
    assert begin(other) == ()
    assert locks(connection) == 0
    end_pauses(connection)
    make_fresh(connection, "clusters")
    assert begin(other) == ()
    assert locks(connection) == 0
    assert attempts(connection, "attempts") == [("clusters", 1)]


def test_a_pair_that_never_had_trips_is_not_begun(connection: psycopg.Connection) -> None:
    unknown = Pair(10**6, "Nowhere", MONDAY, 0, DERIVED_TABLES)
    for only_due in (True, False):
        assert stale_pairs.begin(connection, unknown, DERIVED_TABLES, "run", only_due=only_due) == ()
    assert attempts(connection, "attempts") == []
    assert locks(connection) == 0


def test_a_failure_pauses_its_derived_table_and_pair_only(connection: psycopg.Connection) -> None:
    begin(connection)
    stale_pairs.end(
        connection, turin(connection), succeeded=["aggregates"], failed=["clusters"], error="no room"
    )
    assert attempts(connection, "error") == [("clusters", "no room")]
    assert due(connection) == {"Prague": DERIVED_TABLES, "Turin": ("aggregates",)}
    assert due(connection, EARLY) == {"Turin": DERIVED_TABLES}
    assert begin(connection) == ("aggregates",)
    stale_pairs.end(connection, turin(connection), succeeded=["aggregates"])
    end_pauses(connection)
    assert due(connection)["Turin"] == DERIVED_TABLES


def test_each_refresh_that_does_not_succeed_doubles_the_pause_up_to_the_longest(
    connection: psycopg.Connection,
) -> None:
    for number in range(1, 30):
        begin(connection, ["clusters"], f"run {number}", only_due=False)
        pause = min(FIRST_PAUSE * 2 ** min(number - 1, 10), LONGEST_PAUSE)
        assert attempts(connection, "attempts, retry_at - started_at") == [("clusters", number, pause)]
        if number % 2:
            stale_pairs.end(connection, turin(connection), succeeded=(), failed=["clusters"], error="no")
        else:
            connection.execute("SELECT pg_advisory_unlock_all()")
    stale_pairs.end(connection, turin(connection), succeeded=["clusters"])
    begin(connection, ["clusters"])
    assert attempts(connection, "attempts, retry_at - started_at") == [("clusters", 1, FIRST_PAUSE)]


def test_the_pause_begins_when_a_refresh_fails_however_long_it_took(connection: psycopg.Connection) -> None:
    begin(connection)
    assert {error for _, error in attempts(connection, "error")} == {"its run ended without a message"}
    ((started_at, retry_at),) = connection.execute(
        "SELECT DISTINCT started_at - interval '1 hour', retry_at - interval '1 hour'"
        " FROM shifts_store.refresh_attempts"
    ).fetchall()
    connection.execute(
        "UPDATE shifts_store.refresh_attempts SET started_at = %s, retry_at = %s", [started_at, retry_at]
    )
    stale_pairs.end(connection, turin(connection), succeeded=(), failed=DERIVED_TABLES, error="no room")
    for _, error, pause in attempts(connection, "error, retry_at - started_at"):
        assert error == "no room"
        assert timedelta(hours=1) + FIRST_PAUSE <= pause < timedelta(hours=1, seconds=60) + FIRST_PAUSE


def test_a_run_has_failed_at_a_pair_if_its_attempt_is_the_last_one(connection: psycopg.Connection) -> None:
    for run_id in ("first", "second"):
        begin(connection, run_id=run_id, only_due=False)
    assert stale_pairs.runs_with_failures(connection, ["first", "second", "third"]) == {"second"}
    assert stale_pairs.runs_with_failures(connection, []) == set()
    stale_pairs.end(connection, turin(connection), succeeded=DERIVED_TABLES)
    assert stale_pairs.runs_with_failures(connection, ["second"]) == set()


def test_weeks_have_trips_until_their_last_trip_is_deleted(
    loader: Loader, connection: psycopg.Connection
) -> None:
    assert stale_pairs.weeks_with_trips(connection) == [EARLY, MONDAY]
    loader.put("b.csv", HEADER + LINE)
    loader.load("b.csv")
    assert stale_pairs.weeks_with_trips(connection) == [MONDAY]
    loader.empty()
    assert stale_pairs.weeks_with_trips(connection) == []


def test_weeks_are_stale_since_their_oldest_stale_pair_became_stale(connection: psycopg.Connection) -> None:
    for moment, rows in (
        ("2026-01-02", f"week = '{EARLY}'"),
        ("2026-01-03", f"week = '{MONDAY}'"),
        ("2026-01-01", f"week = '{MONDAY}' AND region_id = {turin(connection).region_id}"),
    ):
        connection.execute(
            f"UPDATE shifts_store.region_weeks SET stale_since = '{moment} 00:00Z' WHERE {rows}".encode()
        )
    found = stale_pairs.weeks_with_stale_pairs(connection)
    assert list(found) == [EARLY, MONDAY]
    assert found[MONDAY].isoformat().startswith("2026-01-01")
    make_fresh(connection, "aggregates")
    assert stale_pairs.weeks_with_stale_pairs(connection) == found
    make_fresh(connection, "clusters", f"week = '{EARLY}'")
    assert list(stale_pairs.weeks_with_stale_pairs(connection)) == [MONDAY]
    make_fresh(connection, "clusters")
    assert stale_pairs.weeks_with_stale_pairs(connection) == {}


def test_the_totals_of_a_week_count_stale_pairs_by_derived_table(connection: psycopg.Connection) -> None:
    make_fresh(connection, "aggregates", f"week = '{MONDAY}'")
    totals = stale_pairs.week_totals(connection, MONDAY)
    assert totals == WeekTotals(regions=2, trips=3, stale_aggregates=0, stale_clusters=2)
    assert (totals.stale("aggregates"), totals.stale("clusters")) == (0, 2)
    assert stale_pairs.week_totals(connection, date(2018, 6, 4)) == WeekTotals(0, 0, 0, 0)
