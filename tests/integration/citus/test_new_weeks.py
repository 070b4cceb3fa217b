"""New weeks beside loads: the creation of a partition and the locks of a load do not wait for each other."""

import psycopg
import pytest

from tests.citus import needs_citus
from tests.integration.citus.placing import REGIONS, trips
from tests.integration.loading.loading import Loader
from tests.posted_trip import post_trip

pytestmark = [needs_citus, pytest.mark.timeout(60)]

# A statement that waits in a circle ends with this error; it fails the test.
LIMIT = "?options=-c%20statement_timeout%3D10000"


def test_a_version_that_brings_a_new_week_replaces_a_file(loader: Loader) -> None:
    loader.url += LIMIT
    loader.put("a.csv", trips("2018-05-28 08:00:00"))
    loader.load("a.csv")
    loader.put("a.csv", trips("2018-06-04 08:00:00"))
    loader.load("a.csv")
    assert loader.statuses() == {"a.csv": ["superseded", "loaded"]}
    assert loader.counts() == {"a.csv": (len(REGIONS),) * 3}


def test_new_weeks_are_created_beside_a_load_that_has_deleted_and_written(loader: Loader) -> None:
    loader.url += LIMIT
    loader.put("a.csv", trips("2018-05-28 08:00:00"))
    file = loader.load("a.csv").record
    with psycopg.connect(loader.url) as load:
        load.execute("SELECT shifts_store.delete_rows(%s)", [file.file_id])
        load.execute(
            "INSERT INTO shifts_store.trips SELECT 1, timestamp '2018-05-28', region_id, 1, 1,"
            " 'SRID=4326;POINT(1 2)', 'SRID=4326;POINT(1 2)' FROM shifts_store.regions"
        )
        loader.execute("SELECT shifts_store.ensure_week('2018-06-11')")
        loader.execute("SELECT shifts_store.prepare_weeks('{2018-06-18}')")
        loader.execute(post_trip("NULL", "'x'"))
        load.rollback()
