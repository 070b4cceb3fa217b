"""The sensor over a bucket: what lies there gets into the ledger, each generation once."""

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.resources import Landing, TripsDatabase
from shifts_pipeline.sensors.landing_zone import landing_zone
from tests.integration.landing.conftest import BucketPlace


def look(database_url: str, bucket: BucketPlace) -> str:
    """One evaluation; what it says."""
    said = landing_zone(
        dg.build_sensor_context(),
        trips_database=TripsDatabase(url=database_url),
        landing=Landing(url=bucket.url),
    )
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message is not None
    return said.skip_message


def test_each_generation_of_an_object_is_queued_once(
    database_url: str, bucket: BucketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shifts_pipeline.sensors.landing_zone.WATCH_S", 0.0)
    bucket.put("a.csv", b"one")
    bucket.put("sub/b.csv", b"x")
    assert look(database_url, bucket) == "2 files in the landing zone, 2 new"
    assert look(database_url, bucket) == "2 files in the landing zone, 0 new"
    bucket.put("a.csv", b"two")
    bucket.remove("sub/b.csv")
    assert look(database_url, bucket) == "1 files in the landing zone, 1 new"
    with psycopg.connect(database_url) as connection:
        queued = connection.execute(
            "SELECT uri, name FROM shifts_store.trip_files ORDER BY file_id"
        ).fetchall()
    assert queued == [(f"{bucket.url}/{name}", name) for name in ("a.csv", "sub/b.csv", "a.csv")]
