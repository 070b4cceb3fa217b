"""What loads and deletions leave in the rows of (region, week) pairs, their tiles and the counts of files."""

import psycopg

from tests.integration.loading.loading import Loader
from tests.unit.core.trips.reading import HEADER, LINE

COMPUTE = "UPDATE shifts_store.region_weeks SET {}_revision = revision"
COUNTED = "SELECT deletion_count, tiles_revision FROM shifts_store.region_weeks"
SEGMENTS = "SELECT trips FROM shifts_store.tile_segments ORDER BY segment"
AGGREGATED = "SELECT bool_or(aggregated) FROM shifts_store.file_week_counts"


def _stale_since(loader: Loader) -> object:
    ((since,),) = loader.query("SELECT stale_since FROM shifts_store.region_weeks")
    return since


def test_a_pair_is_stale_since_the_oldest_change_that_a_derived_table_lacks(loader: Loader) -> None:
    loader.put("a.csv", HEADER + LINE)
    loader.load("a.csv")
    since = _stale_since(loader)
    loader.execute(COMPUTE.format("aggregates"))
    loader.put("b.csv", HEADER + 2 * LINE)
    loader.load("b.csv")
    assert _stale_since(loader) == since
    for table in ("aggregates", "clusters"):
        loader.execute(COMPUTE.format(table))
    loader.put("c.csv", HEADER + 3 * LINE)
    loader.load("c.csv")
    ((is_later, is_of_the_change),) = loader.query(
        "SELECT stale_since > %s, stale_since = changed_at FROM shifts_store.region_weeks", since
    )
    assert (is_later, is_of_the_change) == (True, True)


def test_a_load_adds_a_segment_and_only_a_replaced_file_counts_as_a_removal(loader: Loader) -> None:
    for name, rows in (("a.csv", 1), ("b.csv", 2)):
        loader.put(name, HEADER + rows * LINE)
        loader.load(name)
    assert loader.query(SEGMENTS) == [(1,), (2,)]
    ((deletion_count, revision),) = loader.query(COUNTED)
    assert deletion_count == 0
    loader.put("a.csv", HEADER + 4 * LINE)
    loader.load("a.csv")
    assert loader.query(SEGMENTS) == [(1,), (2,), (4,), (-1,)]
    assert loader.query(AGGREGATED) == [(True,)]
    ((deletion_count, later),) = loader.query(COUNTED)
    assert deletion_count == 1
    assert later > revision


def test_the_segments_of_a_failed_load_are_gone(loader: Loader) -> None:
    loader.max_rejected_share = 0.0
    loader.put("a.csv", HEADER + LINE + b"no trip\n")
    assert loader.load("a.csv").error is not None
    assert loader.query(SEGMENTS) == []
    assert loader.query("SELECT FROM shifts_store.weekly_trip_tiles") == []


def test_trips_that_were_in_no_segment_are_not_subtracted(loader: Loader) -> None:
    loader.put("a.csv", HEADER + LINE)
    loader.load("a.csv")
    # As a version before segments left it.
    loader.execute("UPDATE shifts_store.file_week_counts SET aggregated = false")
    loader.execute("TRUNCATE shifts_store.weekly_trip_tiles, shifts_store.tile_segments")
    loader.put("a.csv", HEADER + 4 * LINE)
    loader.load("a.csv")
    assert loader.query(SEGMENTS) == [(4,)]
    assert loader.query("SELECT trips FROM shifts_store.weekly_trip_tiles") == [(4,)]


def test_a_load_notifies_about_stale_pairs_and_a_new_file_about_files(
    loader: Loader,
) -> None:
    with psycopg.connect(loader.url, autocommit=True) as connection:
        connection.execute("LISTEN shifts_weeks")
        connection.execute("LISTEN shifts_files")
        loader.put("a.csv", HEADER + LINE)
        loader.load("a.csv")
        woken = {note.channel for note in connection.notifies(timeout=30, stop_after=2)}
    assert woken == {"shifts_files", "shifts_weeks"}
