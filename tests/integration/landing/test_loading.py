"""Objects of a bucket are loaded once by the sensors and runs of the pipeline, whatever fails."""

from operator import attrgetter
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from shifts_core.landing.errors import LandingZoneUnavailable
from shifts_core.landing.open_zone import open_zone
from shifts_core.landing.retry_options import RetryOptions
from shifts_pipeline.definitions import build_defs
from shifts_pipeline.sensors import waiting
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.settings import PipelineSettings
from tests.integration.landing.conftest import BucketPlace
from tests.integration.landing.service import Request
from tests.integration.pipeline.harness import HEADER, Pipeline, row

# The client leaves the sockets of refused downloads to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
TRIPS = 120_000
"""Enough for more than one range of the object."""


def trips(region: str, count: int) -> bytes:
    return (HEADER + row(region) * count).encode()


@pytest.fixture
def pipeline(
    bucket: BucketPlace,
    instance: dg.DagsterInstance,
    database_url: str,
    dagster_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Pipeline:
    """The pipeline over the bucket; what other tests of the module loaded is still there."""
    monkeypatch.setattr(waiting, "WATCH_S", 0.0)
    monkeypatch.setattr("shifts_pipeline.sensors.landing_zone.WATCH_S", 0.0)
    monkeypatch.setenv("SHIFTS_DATABASE_URL", database_url)
    monkeypatch.setenv("SHIFTS_DAGSTER_DATABASE_URL", dagster_database_url)
    monkeypatch.setenv("SHIFTS_LANDING_URL", bucket.url)
    return Pipeline(instance, build_defs(PipelineSettings()), tmp_path, database_url)


@pytest.fixture
def _no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to the bucket are not repeated."""
    monkeypatch.setattr("shifts_pipeline.resources.landing.RETRY_OPTIONS", RetryOptions(deadline_s=0.0))


def loaded(pipeline: Pipeline, region: str) -> int:
    return int(pipeline.query("SELECT count(*) FROM shifts.trips WHERE region = %s", region)[0][0])


def let_the_wait_pass(pipeline: Pipeline) -> None:
    """A file that changes while it is read is left alone for a while."""
    with psycopg.connect(pipeline.url) as connection:
        connection.execute(
            "UPDATE shifts_store.trip_files SET requested_at = requested_at - interval '1 hour'"
        )


def test_a_broken_download_is_loaded_once(pipeline: Pipeline, bucket: BucketPlace) -> None:
    data = trips("Turin", TRIPS)
    bucket.put("broken.csv", data)
    middle = len(data) // 2
    bucket.service.break_off(lambda r: r.is_download and r.range[0] == 0, after=middle)
    (run,) = pipeline.load()
    assert run.success
    assert pipeline.ledger()["broken.csv"] == ("loaded", TRIPS, 0)
    assert loaded(pipeline, "Turin") == TRIPS
    assert len([r for r in bucket.service.requests if r.is_download]) == 3
    assert pipeline.load() == []


def test_an_object_uploaded_again_replaces_its_trips(pipeline: Pipeline, bucket: BucketPlace) -> None:
    bucket.put("sub/again.csv", trips("Prague", 3))
    pipeline.load()
    bucket.put("sub/again.csv", trips("Prague", 2))
    (run,) = pipeline.load()
    assert run.success
    assert loaded(pipeline, "Prague") == 2
    assert pipeline.load() == []


def test_an_object_replaced_during_its_load_is_loaded_again(pipeline: Pipeline, bucket: BucketPlace) -> None:
    bucket.put("a.csv", trips("Lyon", TRIPS))
    new = trips("Lyon", 7)

    def replaced(request: Request) -> bool:
        if request.is_download and request.range[0] > 0:
            bucket.put("a.csv", new)
            return True
        return False

    bucket.service.refuse(replaced)
    pipeline.load()
    assert pipeline.ledger()["a.csv"] == ("queued", 0, 0)
    assert loaded(pipeline, "Lyon") == 0
    let_the_wait_pass(pipeline)
    (run,) = pipeline.load()
    assert run.success
    assert loaded(pipeline, "Lyon") == 7


def test_an_object_removed_before_its_load_fails_with_its_reason(
    pipeline: Pipeline, bucket: BucketPlace
) -> None:
    bucket.put("gone.csv", trips("Oslo", 1))
    pipeline.tick(landing_zone)
    bucket.remove("gone.csv")
    (run,) = pipeline.load()
    assert not run.success
    rows = pipeline.query("SELECT status, error FROM shifts.files WHERE name = 'gone.csv'")
    assert rows == [("failed", "gone.csv is no longer in the landing zone: drop it again")]


@pytest.mark.usefixtures("_no_retries")
@pytest.mark.parametrize("status", [403, 503])
@pytest.mark.parametrize("request_of", ["is_download", "is_lookup"])
def test_an_outage_of_the_bucket_costs_files_no_attempt(
    pipeline: Pipeline, bucket: BucketPlace, status: int, request_of: str
) -> None:
    name, region = f"{request_of}{status}.csv", f"{request_of} {status}"
    bucket.put(name, trips(region, 2))
    pipeline.tick(landing_zone)
    for _ in range(2):
        bucket.service.refuse(attrgetter(request_of), status, times=5)
        (run,) = pipeline.load()
        bucket.service.forget_faults()
        assert not run.success
        rows = pipeline.query(
            "SELECT status, attempts, error FROM shifts_store.trip_files WHERE name = %s", name
        )
        assert [row[:2] for row in rows] == [("queued", 0)]
        assert f"refused with {status}" in rows[0][2]
        let_the_wait_pass(pipeline)
    (run,) = pipeline.load()
    assert run.success
    assert loaded(pipeline, region) == 2


@pytest.mark.usefixtures("gcs")
def test_a_missing_bucket_is_not_a_missing_file() -> None:
    with pytest.raises(LandingZoneUnavailable, match=r"^a\.csv cannot be looked up in gs://nobodys-bucket/"):
        open_zone("gs://nobodys-bucket").find("a.csv")
