"""Faults between the platform and a bucket: they pass unnoticed, or become one sentence and leave nothing behind."""

import gc

import pytest

from shifts_core.landing.bucket_requests import CHUNK_BYTES
from shifts_core.landing.errors import FileChanged, LandingZoneError
from shifts_core.landing.open_zone import open_zone
from shifts_core.landing.retry_options import RetryOptions
from shifts_core.landing.zone import LandedFile, LandingZone
from tests.integration.landing.conftest import LARGE, BucketPlace
from tests.integration.landing.emulator import BUCKET, free_port
from tests.integration.landing.service import Request

# The client leaves the sockets of refused downloads to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


NO_RETRIES = RetryOptions(deadline_s=0.0)


@pytest.fixture
def impatient(bucket: BucketPlace) -> LandingZone:
    """The bucket without retries."""
    return open_zone(bucket.url, retry=NO_RETRIES)


def test_a_broken_download_continues_where_it_broke(bucket: BucketPlace, file: LandedFile) -> None:
    half = CHUNK_BYTES // 2
    bucket.service.break_off(lambda r: r.is_download and r.range[0] == CHUNK_BYTES, after=half)
    with bucket.zone.open(file) as stream:
        assert stream.read() == LARGE
    begins = [r.range[0] for r in bucket.service.requests if r.is_download]
    # What the client had taken from the socket before the break counts in blocks of 8 KiB.
    assert begins[:2] == [0, CHUNK_BYTES]
    assert CHUNK_BYTES + half - 8192 <= begins[2] <= CHUNK_BYTES + half
    assert begins[3:] == [2 * CHUNK_BYTES]


def test_a_replacement_during_a_broken_download_is_detected(bucket: BucketPlace, file: LandedFile) -> None:
    def broken(request: Request) -> bool:
        return request.is_download and request.range[0] == 0

    def replaced(request: Request) -> bool:
        if request.is_download and request.range[0] > 0:
            bucket.put("a.csv", LARGE[::-1])
            return True
        return False

    bucket.service.break_off(broken, after=100_000)
    bucket.service.refuse(replaced)
    with bucket.zone.open(file) as stream, pytest.raises(FileChanged):
        stream.read()


def test_a_download_with_a_wrong_byte_is_refused(bucket: BucketPlace, file: LandedFile) -> None:
    bucket.service.garble(lambda r: r.is_download)
    with bucket.zone.open(file) as stream, pytest.raises(LandingZoneError, match="checksum"):
        stream.read()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_faults_are_retried(bucket: BucketPlace, file: LandedFile, status: int) -> None:
    for matches in (lambda r: r.is_listing, lambda r: r.is_lookup, lambda r: r.is_download):
        bucket.service.refuse(matches, status)
    assert list(bucket.zone.list_files()) == [file]
    with bucket.zone.open(file) as stream:
        assert stream.read() == LARGE


def test_an_upload_survives_passing_faults(bucket: BucketPlace) -> None:
    bucket.service.refuse(lambda r: r.method == "POST")
    bucket.service.hang_up(lambda r: r.is_upload and " 0-" in r.headers["content-range"])
    bucket.service.refuse(lambda r: r.ends_upload, 500)
    with bucket.zone.write("a.csv") as stream:
        stream.write(LARGE)
    (file,) = bucket.zone.list_files()
    with bucket.zone.open(file) as stream:
        assert stream.read() == LARGE


@pytest.mark.parametrize("data", [b"rows", LARGE], ids=len)
def test_an_upload_that_fails_at_its_end_reports_it_and_leaves_nothing(
    bucket: BucketPlace, impatient: LandingZone, data: bytes
) -> None:
    bucket.service.refuse(lambda r: r.ends_upload)

    def upload() -> None:
        with impatient.write("a.csv") as stream:
            stream.write(data)

    with pytest.raises(LandingZoneError, match=r"^a\.csv cannot be written to gs://.*refused with 503"):
        upload()
    assert list(bucket.zone.list_files()) == []


def test_an_upload_that_cannot_be_cancelled_is_not_completed_later(bucket: BucketPlace) -> None:
    bucket.service.hang_up(lambda r: r.method == "DELETE")

    def upload() -> None:
        with bucket.zone.write("a.csv") as stream:
            stream.write(LARGE)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        upload()
    # An upload left open is completed when it is collected.
    gc.collect()
    assert list(bucket.zone.list_files()) == []


@pytest.mark.parametrize("status", [403, 503])
def test_lasting_faults_become_one_sentence(
    bucket: BucketPlace, impatient: LandingZone, file: LandedFile, status: int
) -> None:
    sentence = rf"refused with {status}"
    bucket.service.refuse(lambda r: r.is_listing, status, times=9)
    with pytest.raises(LandingZoneError, match=rf"^gs://\S+ cannot be listed: {sentence}"):
        list(impatient.list_files())
    bucket.service.refuse(lambda r: r.is_download, status, times=9)
    with impatient.open(file) as stream, pytest.raises(LandingZoneError, match=rf"^a\.csv .*{sentence}"):
        stream.read()
    bucket.service.refuse(lambda r: r.is_lookup, status, times=9)
    with pytest.raises(LandingZoneError, match=rf"^a\.csv cannot be looked up in gs://\S+: {sentence}"):
        impatient.find("a.csv")


@pytest.mark.usefixtures("gcs")
def test_a_missing_bucket_is_reported_as_missing() -> None:
    with pytest.raises(LandingZoneError, match="gs://nobodys-bucket/ cannot be listed: 404 Not Found"):
        list(open_zone("gs://nobodys-bucket").list_files())


def test_an_unreachable_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    with pytest.raises(LandingZoneError, match=rf"127\.0\.0\.1:{port} cannot be reached"):
        open_zone(f"gs://{BUCKET}", retry=NO_RETRIES).find("a.csv")
