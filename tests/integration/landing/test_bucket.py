"""Features of buckets only: generations, prefixes, pages, ranges."""

from pathlib import Path

import pytest

from shifts_core.landing.bucket_requests import CHUNK_BYTES
from shifts_core.landing.open_zone import open_zone
from shifts_core.landing.zone import LandedFile
from tests.integration.landing.conftest import LARGE, BucketPlace
from tests.integration.landing.emulator import BUCKET, emulator
from tests.integration.landing.service import service


def test_a_version_is_the_generation_and_a_uri_is_the_objects(bucket: BucketPlace) -> None:
    bucket.put("sub/a.csv", b"x")
    (file,) = bucket.zone.list_files()
    assert file.uri == f"gs://{BUCKET}/{bucket.prefix}/sub/a.csv"
    assert int(file.version) > 0


def test_only_objects_below_the_prefix_are_listed(bucket: BucketPlace) -> None:
    bucket.put("a.csv", b"x")
    BucketPlace(bucket.service, bucket.prefix + "-other").put("b.csv", b"x")
    assert [f.name for f in bucket.zone.list_files()] == ["a.csv"]


def test_placeholders_and_names_that_are_not_paths_are_not_listed(bucket: BucketPlace) -> None:
    for name in ("sub/", "sub//a.csv", "sub/b.csv"):
        bucket.put(name, b"")
    assert [f.name for f in bucket.zone.list_files()] == ["sub/b.csv"]


def test_a_whole_bucket_is_a_zone_too(bucket: BucketPlace) -> None:
    bucket.put("a.csv", b"rows")
    zone = open_zone(f"gs://{BUCKET}")
    found = zone.find(f"{bucket.prefix}/a.csv")
    assert found is not None
    assert found in list(zone.list_files())
    assert found.uri == f"gs://{BUCKET}/{bucket.prefix}/a.csv"


def test_a_listing_of_many_objects_comes_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = {f"landing/{number:05}.csv": number for number in range(2_500)}
    with emulator(tmp_path, objects) as port, service(port) as front:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", front.url)
        front.refuse(lambda request: request.query.get("pageToken") == "1000")
        files = list(open_zone(f"gs://{BUCKET}/landing").list_files())
        tokens = [request.query.get("pageToken") for request in front.requests]
    assert {f"landing/{f.name}": f.size for f in files} == objects
    assert len(files) == 2_500
    assert tokens == [None, "1000", "1000", "2000"]


def test_finding_a_file_is_one_request(bucket: BucketPlace, file: LandedFile) -> None:
    assert bucket.zone.find("a.csv") == file
    assert len(bucket.service.requests) == 1


def test_only_the_ranges_that_are_read_are_downloaded(bucket: BucketPlace, file: LandedFile) -> None:
    with bucket.zone.open(file) as stream:
        stream.read(10)
        asked = [r.range for r in bucket.service.requests if r.is_download]
        assert asked == [(0, CHUNK_BYTES - 1)]


def test_a_large_object_is_downloaded_in_ranges_of_one_generation(
    bucket: BucketPlace, file: LandedFile
) -> None:
    with bucket.zone.open(file) as stream:
        assert stream.read() == LARGE
    asked = [r for r in bucket.service.requests if r.is_download]
    assert [r.range[0] for r in asked] == [0, CHUNK_BYTES, 2 * CHUNK_BYTES]
    assert {r.query["ifGenerationMatch"] for r in asked} == {file.version}


def test_the_generations_that_a_bucket_keeps_are_deleted_too(bucket: BucketPlace) -> None:
    bucket.put("a.csv", b"x")
    first = bucket.zone.find("a.csv")
    bucket.put("a.csv", b"y")
    second = bucket.zone.find("a.csv")
    assert first is not None
    assert second is not None
    bucket.service.keep_generation(f"{bucket.prefix}/a.csv", first.version)
    bucket.service.requests.clear()
    bucket.zone.delete("a.csv", {second.version, "request-1"})
    deleted = [request for request in bucket.service.requests if request.method == "DELETE"]
    assert {request.query["generation"] for request in deleted} == {first.version, second.version}
    assert list(bucket.zone.list_files()) == []
