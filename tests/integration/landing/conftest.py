"""Landing zones of both kinds, with ways to change their files from outside."""

import gc
import itertools
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from google.cloud import storage

from shifts_core.landing.bucket_requests import CHUNK_BYTES
from shifts_core.landing.open_zone import open_zone
from shifts_core.landing.zone import LandedFile, LandingZone
from tests.integration.landing.emulator import BUCKET, emulator
from tests.integration.landing.service import Service, service

LARGE = random.Random(7).randbytes(2 * CHUNK_BYTES + 12_345)
"""More than two ranges of an object."""
_prefixes = itertools.count(1)


class Place(Protocol):
    """Where files are dropped by others."""

    url: str
    zone: LandingZone

    def put(self, name: str, data: bytes) -> None:
        """Puts a complete file there, or replaces it."""
        ...

    def remove(self, name: str) -> None:
        """Takes it away."""
        ...


@dataclass
class FolderPlace:
    root: Path
    _written: int = field(default=0)

    def __post_init__(self) -> None:
        self.url = str(self.root)
        self.zone = open_zone(self.url)

    def put(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._written += 1
        os.utime(path, (1e9 + self._written, 1e9 + self._written))

    def remove(self, name: str) -> None:
        (self.root / name).unlink()


@dataclass
class BucketPlace:
    service: Service
    prefix: str = ""

    def __post_init__(self) -> None:
        self.prefix = self.prefix or f"landing/{next(_prefixes)}"
        self.url = f"gs://{BUCKET}/{self.prefix}"
        self.zone = open_zone(self.url)
        self._bucket = storage.Client().bucket(BUCKET)

    def put(self, name: str, data: bytes) -> None:
        self._bucket.blob(f"{self.prefix}/{name}").upload_from_string(data)

    def remove(self, name: str) -> None:
        self._bucket.blob(f"{self.prefix}/{name}").delete()


@pytest.fixture(scope="session")
def emulator_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An emulator for all tests; each has a prefix of its own."""
    with emulator(tmp_path_factory.mktemp("emulator")) as port:
        yield port


@pytest.fixture(autouse=True)
def _no_requests_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would ask for the bucket's region in a thread, to name it in traces."""
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")


@pytest.fixture
def gcs(emulator_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The service before the emulator; the official client is sent there by its own setting."""
    with service(emulator_port) as front:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", front.url)
        yield front
        # What the client has left open is collected in the test that knows of it.
        gc.collect()


@pytest.fixture
def bucket(gcs: Service) -> BucketPlace:
    """An empty prefix of the bucket."""
    return BucketPlace(gcs)


@pytest.fixture
def file(bucket: BucketPlace) -> LandedFile:
    """A large object in the bucket; what was asked until then is forgotten."""
    bucket.put("a.csv", LARGE)
    (file,) = bucket.zone.list_files()
    bucket.service.requests.clear()
    return file


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A landing zone of either kind, empty."""
    if request.param == "folder":
        return FolderPlace(tmp_path / "landing")
    found: BucketPlace = request.getfixturevalue("bucket")
    return found
