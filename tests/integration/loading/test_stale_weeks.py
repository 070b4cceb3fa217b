"""What loads and deletions leave in the rows of (region, week) pairs, their tiles and the counts of files."""

import psycopg

from tests.integration.loading.loading import Loader
from tests.unit.core.trips.reading import HEADER, LINE

COMPUTE = "UPDATE shifts_store.region_weeks SET {}_revision = revision"
COUNTED = "SELECT deletion_count, tiles_revision FROM shifts_store.region_weeks"
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


def test_only_a_replaced_file_counts_as_a_removal_and_drops_the_tiles_of_its_pairs(loader: Loader) -> None:
    for name, rows in (("a.csv", 1), ("b.csv", 2)):
        loader.put(name, HEADER + rows * LINE)
        loader.load(name)
    loader.execute("UPDATE shifts_store.file_week_counts SET aggregated = true")
    loader.execute("DELETE FROM shifts_store.weekly_trip_tiles")
    loader.execute(
        "INSERT INTO shifts_store.weekly_trip_tiles"
        " SELECT region_id, week, 0, 3, '', '', '' FROM shifts_store.region_weeks"
    )
    loader.put("c.csv", HEADER + 3 * LINE)
    loader.load("c.csv")
    assert loader.query(AGGREGATED) == [(True,)]
    assert loader.query(COUNTED) == [(0, 0)]
    loader.put("a.csv", HEADER + 4 * LINE)
    loader.load("a.csv")
    assert loader.query(AGGREGATED) == [(False,)]
    assert loader.query("SELECT FROM shifts_store.weekly_trip_tiles") == []
    ((deletion_count, version),) = loader.query(COUNTED)
    assert deletion_count == 1
    assert version > 0


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
