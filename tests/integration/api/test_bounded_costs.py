"""Costs that do not grow with the history: metrics of the ledger and stale pairs, and lists with many new weeks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import httpx
import psycopg

from shifts_api.queries.posting import WEEKS_PER_TRANSACTION
from tests.integration.api.running import Service, posted, trip

TOTALS = "SELECT status, files, rows_loaded, rows_rejected FROM shifts_store.ledger_totals() ORDER BY status"
COUNTED = (
    "SELECT status, count(*), sum(rows_loaded)::bigint, sum(rows_rejected)::bigint"
    " FROM shifts_store.trip_files GROUP BY status ORDER BY status"
)


def _same(trips_db: psycopg.Connection) -> list[Any]:
    """The totals, checked against the ledger's rows."""
    totals = trips_db.execute(TOTALS).fetchall()
    assert totals == trips_db.execute(COUNTED).fetchall()
    return totals


def _add(trips_db: psycopg.Connection, count: int) -> None:
    trips_db.execute(
        "INSERT INTO shifts_store.trip_files (uri, name, version, status)"
        " SELECT n::text, n::text, gen_random_uuid()::text, 'queued' FROM generate_series(1, %s) n",
        [count],
    )


def test_totals_follow_every_change_of_the_ledger(trips_db: psycopg.Connection) -> None:
    _add(trips_db, 5)
    assert ("queued", 5, 0, 0) in _same(trips_db)
    trips_db.execute(
        "SELECT shifts_store.fail_files(array_agg(file_id), 'x', NULL, false) FROM shifts_store.trip_files"
        " WHERE name IN ('1', '2')"
    )
    trips_db.execute("UPDATE shifts_store.trip_files SET rows_rejected = 3 WHERE name IN ('1', '2')")
    assert ("failed", 2, 0, 6) in _same(trips_db)
    trips_db.execute("UPDATE shifts_store.trip_files SET attempts = 1")
    trips_db.execute(
        "SELECT shifts_store.begin_file(file_id, 'x'), shifts_store.finish_file(file_id, 'x', 7, 0)"
        " FROM shifts_store.trip_files WHERE name = '3'"
    )
    trips_db.execute("UPDATE shifts_store.trip_files SET rows_loaded = 9 WHERE name = '3'")
    _same(trips_db)
    with trips_db.transaction(force_rollback=True):
        _add(trips_db, 3)
        _same(trips_db)
    trips_db.execute("DELETE FROM shifts_store.trip_files WHERE name IN ('1', '4')")
    assert [(status, files) for status, files, *_ in _same(trips_db)] == [
        ("failed", 1),
        ("loaded", 1),
        ("queued", 1),
    ]
    trips_db.execute("DELETE FROM shifts_store.trip_files")
    assert _same(trips_db) == []


def test_metrics_read_few_rows_of_a_long_ledger(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    for number in range(1_200):
        trips_db.execute(
            "INSERT INTO shifts_store.trip_files (uri, name, version, status) VALUES (%s, 'x', '1', 'failed')",
            [f"many-{number}"],
        )
    assert service.metric('shifts_files{status="failed"}') == 1_200
    left = trips_db.execute("SELECT count(*) FROM shifts_store.ledger_changes").fetchone()
    assert left is not None
    assert left[0] < 10
    _same(trips_db)
    trips_db.execute("DELETE FROM shifts_store.trip_files")


def test_concurrent_readers_and_writers_lose_no_change_of_the_totals(
    service: Service, database_url: str, trips_db: psycopg.Connection
) -> None:
    def write(number: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for _ in range(400):
                _add(connection, 1)

    def read(number: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for _ in range(100):
                connection.execute(TOTALS).fetchall()

    with ThreadPoolExecutor(8) as threads:
        for done in [
            *(threads.submit(write, n) for n in range(4)),
            *(threads.submit(read, n) for n in range(4)),
        ]:
            done.result()
    assert _same(trips_db) == [("queued", 1_600, 0, 0)]
    trips_db.execute("DELETE FROM shifts_store.trip_files")


def test_stale_pairs_are_counted_from_their_partial_index(trips_db: psycopg.Connection) -> None:
    with trips_db.transaction(force_rollback=True):
        trips_db.execute("SET LOCAL enable_seqscan = off")
        plan = trips_db.execute(
            "EXPLAIN SELECT count(*), min(stale_since) FROM shifts_store.region_weeks"
            " WHERE aggregates_revision <> revision OR clusters_revision <> revision"
        ).fetchall()
    assert any("region_weeks_stale" in line for (line,) in plan)


def test_many_new_weeks_are_created_in_several_transactions(
    client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    weeks = 6 * WEEKS_PER_TRANSACTION + 3
    days = [date(2004, 1, 5) + timedelta(weeks=number) for number in range(weeks)]
    body = posted(*[trip(region="Long", timestamp=f"{day} 09:00:00") for day in days])
    assert client.post("/trips", json=body).status_code == 201
    mean = client.get("/trips/stats", params={"region": "Long", "nortest": "180,90", "southest": "-180,-90"})
    assert mean.json() == {"mean": 1.0}
    made = trips_db.execute(
        "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'shifts_store.trips'::regclass"
        " AND c.relname BETWEEN 'trips_2004w01' AND 'trips_2005w53'"
        " GROUP BY i.xmin::text"
    ).fetchall()
    assert sum(count for (count,) in made) == weeks
    assert max(count for (count,) in made) <= WEEKS_PER_TRANSACTION
