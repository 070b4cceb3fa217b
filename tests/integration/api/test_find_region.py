"""Finding a region reads equally few blocks, however many lists were posted."""

import psycopg

_RECORD = """
    WITH lists AS (
        INSERT INTO shifts_store.trip_files (kind, uri, name, version, status, published_at)
        SELECT 'json', %(name)s || n, %(name)s || n, '1', 'loaded', now() FROM generate_series(1, %(lists)s) AS n
        RETURNING file_id
    )
    INSERT INTO shifts_store.file_week_counts (region_id, week, file_id, trips, first_at, last_at, aggregated)
    SELECT r.region_id, '2018-05-28', l.file_id, 1, m.moment, m.moment, true
    FROM lists l, shifts_store.region_ids(ARRAY[%(name)s]) AS r,
         LATERAL (SELECT timestamp '2018-05-28' + l.file_id * interval '1 second' AS moment) AS m
"""
_PAIR = """
    INSERT INTO shifts_store.region_weeks (region_id, week, revision, changed_at, stale_since)
    SELECT region_id, '2018-05-28', 1, now(), now() FROM shifts_store.regions WHERE name = %s
"""


def _blocks(trips_db: psycopg.Connection, region: str) -> int:
    """The number of blocks that the statement reads."""
    statement = "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT * FROM shifts_store.find_region(%s)"
    plan = trips_db.execute(statement.replace("%s", f"'{region}'").encode()).fetchone()
    assert plan is not None
    found = plan[0][0]["Plan"]
    return int(found["Shared Hit Blocks"] + found["Shared Read Blocks"])


def test_finding_a_region_reads_few_rows_after_many_posts(
    trips_db: psycopg.Connection,
) -> None:
    for region, lists in (("Few", 10), ("Many", 20_000)):
        trips_db.execute(_RECORD, {"name": region, "lists": lists})
        trips_db.execute(_PAIR, [region])
    trips_db.execute(
        "VACUUM ANALYZE shifts_store.file_week_counts, shifts_store.region_weeks, shifts_store.regions"
    )
    found = trips_db.execute("SELECT first_at, last_at, is_pending FROM shifts_store.find_region('Many')")
    expected = trips_db.execute(
        "SELECT min(first_at), max(last_at), false FROM shifts_store.file_week_counts"
        " WHERE file_id > (SELECT min(file_id) FROM shifts_store.trip_files) + 9"
    )
    assert found.fetchall() == expected.fetchall()
    assert _blocks(trips_db, "Many") <= _blocks(trips_db, "Few") + 20
