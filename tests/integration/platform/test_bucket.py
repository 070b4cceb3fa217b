"""The platform with a bucket as landing zone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.cloud import storage

from shifts_platform.feed_client import FeedEvent
from shifts_platform.generator.csv_file import csv_blocks
from tests.integration.landing.emulator import BUCKET, emulator
from tests.integration.landing.service import Service, service
from tests.integration.pipeline.harness import HEADER, row
from tests.integration.platform.running import new_environment, running_platform

TRIPS = 110_000
"""The object is read in more than one range."""


@contextmanager
def with_a_bucket(folder: Path) -> Iterator[tuple[dict[str, str], Service]]:
    """Yields the settings of a platform with a bucket, and the emulated storage service."""
    environment = new_environment(folder / "data")
    (folder / "emulator").mkdir()
    with emulator(folder / "emulator") as port, service(port) as bucket:
        yield (
            environment
            | {
                "SHIFTS_LANDING_URL": f"gs://{BUCKET}/landing",
                "STORAGE_EMULATOR_HOST": bucket.url,
                "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
            },
            bucket,
        )


def test_uploaded_objects_and_dropped_files_are_loaded_from_a_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = b"".join(lines for _, lines in csv_blocks(TRIPS, seed=3, weeks=1))

    def is_loaded(event: FeedEvent) -> bool:
        return event.type in ("file.loaded", "file.failed")

    with with_a_bucket(tmp_path) as (environment, bucket), running_platform(environment) as platform:
        for name in ("STORAGE_EMULATOR_HOST", "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"):
            monkeypatch.setenv(name, environment[name])
        blob = storage.Client().bucket(BUCKET).blob("landing/sub/trips.csv")
        # Files that load within a second have no progress events.
        bucket.delay(lambda r: r.is_download and r.range[0] > 0, seconds=1.5)
        events = platform.follow(lambda: blob.upload_from_string(trips), is_loaded)
        kinds = [event.type for event in events]
        # Other runs may be queued in between.
        assert kinds[0] == "run.queued"
        assert "run.started" in kinds
        assert kinds[-1] == "file.loaded"
        progress = [event.data for event in events if event.type == "file.progress"]
        assert progress
        assert all(data["partition"] == "sub/trips.csv" for data in progress)
        assert all(0 < data["rows"] <= TRIPS and 0 < data["share"] <= 1 for data in progress)
        (answer,) = platform.query("SELECT sum(trips)::integer FROM shifts.weekly WHERE region = 'Turin'")
        stats = platform.get("/trips/weekly", region="Turin", bbox="-180,-90,180,90")
        assert stats["total_trips"] == answer[0] > 0
        assert platform.get("/files")["files"][0]["uri"] == f"gs://{BUCKET}/landing/sub/trips.csv"
        more = tmp_path / "more.csv"
        more.write_text(HEADER + row("Bern") + row("Bern", "2018-05-28 11:00:00"))
        done = platform.shifts("drop", str(more))
        assert done.returncode == 0, done.stderr
        assert "2 trips loaded" in done.stderr
