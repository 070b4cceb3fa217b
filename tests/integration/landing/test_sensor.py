"""The sensor over a bucket registers each generation of its objects once."""

import tracemalloc
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors.landing_zone import landing_zone
from tests.integration.landing.conftest import BucketPlace
from tests.integration.landing.emulator import BUCKET, emulator
from tests.integration.landing.service import PAGE, service

MANY = 10_000
MEBIBYTE = 1024**2


def look(database_url: str, url: str) -> str:
    """One evaluation; what it says."""
    said = landing_zone(
        dg.build_sensor_context(),
        trips_database=TripsDatabase(url=database_url),
        landing=Landing(url=url),
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
    assert look(database_url, bucket.url) == "2 files in the landing zone, 2 new"
    assert look(database_url, bucket.url) == "2 files in the landing zone, 0 new"
    bucket.put("a.csv", b"two")
    bucket.remove("sub/b.csv")
    assert look(database_url, bucket.url) == "1 files in the landing zone, 1 new"
    with psycopg.connect(database_url) as connection:
        queued = connection.execute(
            "SELECT uri, name FROM shifts_store.trip_files ORDER BY file_id"
        ).fetchall()
    assert queued == [(f"{bucket.url}/{name}", name) for name in ("a.csv", "sub/b.csv", "a.csv")]


def test_a_tick_without_new_objects_only_lists(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"gs://{BUCKET}/many"
    objects = {f"many/{number // 100:03}/{number:05}.csv.gz": 1_000_000 for number in range(MANY)}
    with emulator(tmp_path, objects) as port, service(port) as front:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", front.url)
        assert look(database_url, url) == "10,000 files in the landing zone, 10,000 new"
        front.requests.clear()
        tracemalloc.start()
        assert look(database_url, url) == "10,000 files in the landing zone, 0 new"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert [request.is_listing for request in front.requests] == [True] * (MANY // PAGE)
    # The service in front of the emulator, in the same process, has its share in it.
    assert peak < 50 * MEBIBYTE
