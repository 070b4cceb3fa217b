"""Uploads into a bucket are complete or leave nothing, and paths outside its prefix are refused."""

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from google.cloud import storage

from shifts_core.landing.bucket_requests import CHUNK_BYTES
from tests.integration.api.running import Service, running, wait_until
from tests.integration.landing.emulator import BUCKET, emulator
from tests.integration.landing.service import Service as Storage
from tests.integration.landing.service import service as storage_service

LARGE = random.Random(11).randbytes(2 * CHUNK_BYTES + 54_321)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """The storage service."""
    with emulator(tmp_path_factory.mktemp("emulator")) as port, storage_service(port) as found:
        yield found


@pytest.fixture(scope="module")
def service(
    front: Storage, database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service with the bucket's folder `in` as its landing zone."""
    folder = tmp_path_factory.mktemp("service")
    more = {"SHIFTS_LANDING_URL": f"gs://{BUCKET}/in", "STORAGE_EMULATOR_HOST": front.url}
    with running(Service(database_url, dagster_database_url, folder, folder / "api.log", more)) as found:
        yield found


@pytest.fixture
def objects(front: Storage, monkeypatch: pytest.MonkeyPatch) -> storage.Bucket:
    """The bucket, as its owner sees it."""
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", front.url)
    front.requests.clear()
    return storage.Client().bucket(BUCKET)


def _names(bucket: storage.Bucket) -> set[str]:
    return {blob.name for blob in bucket.list_blobs()}


def test_an_upload_is_sent_in_chunks_and_queued_with_its_generation(
    client: httpx.Client, front: Storage, objects: storage.Bucket, trips_db: psycopg.Connection
) -> None:
    pieces = (LARGE[i : i + 100_000] for i in range(0, len(LARGE), 100_000))
    response = client.post("/files", params={"name": "sub/large.csv"}, content=pieces)
    assert (response.status_code, response.json()["name"]) == (202, "sub/large.csv")
    assert max(len(request.body) for request in front.requests) == CHUNK_BYTES
    stored = objects.get_blob("in/sub/large.csv")
    assert stored is not None
    generation = str(stored.generation)
    assert stored.download_as_bytes() == LARGE
    queued = trips_db.execute(
        "SELECT uri, version, size_bytes, status FROM shifts_store.trip_files WHERE task_id = %s",
        [response.json()["task_id"]],
    ).fetchone()
    assert queued == (f"gs://{BUCKET}/in/sub/large.csv", generation, len(LARGE), "queued")


@pytest.mark.parametrize("size", [1, CHUNK_BYTES], ids=["one byte", "one request"])
def test_uploads_of_any_size_are_complete(client: httpx.Client, objects: storage.Bucket, size: int) -> None:
    assert client.post("/files", params={"name": "a.csv"}, content=LARGE[:size]).status_code == 202
    stored = objects.get_blob("in/a.csv")
    assert stored is not None
    assert stored.download_as_bytes() == LARGE[:size]


def test_a_broken_upload_leaves_nothing(service: Service, front: Storage, objects: storage.Bucket) -> None:
    before = _names(objects)
    with socket.create_connection(("127.0.0.1", service.port)) as broken:
        head = (
            f"POST /api/v1/files?name=broken.csv HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(LARGE)}"
        )
        broken.sendall(f"{head}\r\n\r\n".encode() + LARGE[:-1])
        wait_until(lambda: any(request.is_upload for request in front.requests), 20)
    wait_until(lambda: any(request.method == "DELETE" for request in front.requests), 20)
    assert not any(request.ends_upload for request in front.requests)
    assert _names(objects) == before


def test_an_upload_refused_by_the_bucket_is_answered_with_503(
    client: httpx.Client, service: Service, front: Storage, objects: storage.Bucket
) -> None:
    before = _names(objects)
    front.refuse(lambda request: request.ends_upload, 403)
    response = client.post("/files", params={"name": "refused.csv"}, content=LARGE)
    assert (response.status_code, response.json()) == (
        503,
        {"message": "The landing zone is away, try again"},
    )
    assert int(response.headers["Retry-After"]) > 0
    assert _names(objects) == before
    # The address of an upload lets anyone who knows it write.
    assert "upload_id" not in service.log.read_text()


def test_an_empty_upload_is_refused_and_leaves_nothing(client: httpx.Client, objects: storage.Bucket) -> None:
    before = _names(objects)
    response = client.post("/files", params={"name": "empty.csv"}, content=b"")
    assert (response.status_code, response.json()) == (400, {"message": "The file is empty"})
    assert _names(objects) == before


@pytest.mark.parametrize("path", [f"gs://{BUCKET}/in/asked.csv", "asked.csv"])
def test_a_file_request_names_an_object_of_the_landing_zone(client: httpx.Client, path: str) -> None:
    kind = "gcp" if path.startswith("gs://") else "mocked"
    response = client.post("/trips", json={"data_type": kind, "data": path})
    assert response.status_code == 202
    newest = client.get("/files", params={"limit": 1}).json()["files"][0]
    assert (newest["name"], newest["uri"]) == ("asked.csv", f"gs://{BUCKET}/in/asked.csv")


@pytest.mark.parametrize(
    "path",
    [
        "gs://another-bucket/in/a.csv",
        f"gs://{BUCKET}/a.csv",
        f"gs://{BUCKET}/inside/a.csv",
        f"gs://{BUCKET}/in/../a.csv",
        f"gs://{BUCKET}/in//a.csv",
        f"gs://{BUCKET}/in/.hidden/a.csv",
        f"gs://{BUCKET}/in/",
        f"GS://{BUCKET}/in/a.csv",
        f"gs://{BUCKET}@elsewhere/in/a.csv",
        "file:///etc/passwd.csv",
        "/etc/passwd.csv",
        "../a.csv",
    ],
)
def test_paths_outside_the_landing_zone_are_refused(
    client: httpx.Client, front: Storage, objects: storage.Bucket, path: str
) -> None:
    for kind in ("gcp", "mocked"):
        response = client.post("/trips", content=json.dumps({"data_type": kind, "data": path}))
        assert (response.status_code, list(response.json())) == (400, ["message"])
    assert client.post("/files", params={"name": path}, content=b"x").status_code == 400
    assert front.requests == []


def test_a_service_with_a_bucket_uses_no_folder(service: Service, tmp_path: Path) -> None:
    assert list(service.landing.iterdir()) == [service.log]
