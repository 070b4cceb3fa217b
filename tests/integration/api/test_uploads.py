"""Uploads into a landing folder are complete or leave nothing, in little memory, whatever fails."""

import hashlib
import random
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.integration.api.running import Service, running, wait_until

MIB = 1024**2
LIMIT = 400 * MIB
PIECES = [random.Random(number).randbytes(MIB) for number in range(3)]


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that takes uploads up to a limit."""
    folder = tmp_path_factory.mktemp("uploads")
    more = {"SHIFTS_API_MAX_UPLOAD_BYTES": str(LIMIT)}
    with running(
        Service(database_url, dagster_database_url, folder / "in", folder / "api.log", more)
    ) as found:
        yield found


def _files(service: Service) -> set[str]:
    """Everything below the landing folder that is no folder."""
    return {str(path.relative_to(service.landing)) for path in service.landing.rglob("*") if path.is_file()}


def _entries(trips_db: psycopg.Connection) -> int:
    row = trips_db.execute("SELECT count(*) FROM shifts_store.trip_files").fetchone()
    assert row is not None
    return int(row[0])


def _bytes(size_mib: int, digest: "hashlib._Hash | None" = None) -> Iterator[bytes]:
    for number in range(size_mib):
        piece = PIECES[number % 3]
        if digest is not None:
            digest.update(piece)
        yield piece


def _peak_memory(service: Service) -> int:
    """The most bytes that the process ever held."""
    assert service.process is not None
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{service.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_an_upload_is_complete_and_queued_before_the_answer(
    client: httpx.Client, service: Service, trips_db: psycopg.Connection
) -> None:
    answer = client.post("/files", params={"name": "sub/größe.csv.gz"}, content=PIECES[0])
    path = service.landing / "sub" / "größe.csv.gz"
    assert path.read_bytes() == PIECES[0]
    task = answer.json()["task_id"]
    (entry,) = client.get("/files", params={"task_id": task}).json()["files"]
    assert answer.status_code == 202
    assert answer.json() == {"file_id": entry["file_id"], "task_id": task, "name": "sub/größe.csv.gz"}
    assert (entry["status"], entry["uri"]) == ("queued", path.as_uri())
    stat = path.stat()
    queued = trips_db.execute(
        "SELECT version, size_bytes FROM shifts_store.trip_files WHERE task_id = %s", [task]
    ).fetchone()
    assert queued == (f"{stat.st_mtime_ns}-{stat.st_size}", MIB)


def test_a_large_upload_takes_little_memory(client: httpx.Client, service: Service) -> None:
    digest = hashlib.sha256()
    before = service.memory
    answer = client.post("/files", params={"name": "large.csv"}, content=_bytes(300, digest), timeout=120)
    assert answer.status_code == 202
    with (service.landing / "large.csv").open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == digest.hexdigest()
    # Little of it is the upload's: what counts trips is still being made ready beside it.
    assert _peak_memory(service) - before < 150 * MIB
    (service.landing / "large.csv").unlink()


def test_an_upload_replaces_the_file_of_its_name_at_once(client: httpx.Client, service: Service) -> None:
    for content in (b"first", b"second"):
        assert client.post("/files", params={"name": "again.csv"}, content=content).status_code == 202
        assert (service.landing / "again.csv").read_bytes() == content


def test_an_upload_with_a_key_is_stored_once(
    client: httpx.Client, service: Service, trips_db: psycopg.Connection
) -> None:
    def upload(name: str) -> httpx.Response:
        return client.post(
            "/files", params={"name": name}, content=_bytes(3), headers={"Idempotency-Key": "upload"}
        )

    first, entries = upload("key.csv"), _entries(trips_db)
    written = (service.landing / "key.csv").stat().st_mtime_ns
    assert (upload("key.csv").json(), _entries(trips_db)) == (first.json(), entries)
    assert (service.landing / "key.csv").stat().st_mtime_ns == written
    assert upload("other.csv").status_code == 422
    assert not (service.landing / "other.csv").exists()


def _begin(service: Service, name: str, declared: int) -> socket.socket:
    """An upload that has brought a little and goes on as soon as its client wants."""
    before = _files(service)
    connection = socket.create_connection(("127.0.0.1", service.port))
    head = f"POST /api/v1/files?name={name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {declared}\r\n\r\n"
    connection.sendall(head.encode() + PIECES[0] + PIECES[1])
    wait_until(lambda: any(name.endswith(".part") for name in _files(service) - before), 10)
    return connection


def test_an_interrupted_upload_leaves_nothing(service: Service, trips_db: psycopg.Connection) -> None:
    before, entries = _files(service), _entries(trips_db)
    with _begin(service, "broken.csv", 3 * MIB):
        assert len(_files(service)) == len(before) + 1
    wait_until(lambda: _files(service) == before, 20)
    assert _entries(trips_db) == entries
    assert service.log_lines[-1]["status"] == 400


def test_an_upload_that_hides_its_size_leaves_nothing(
    client: httpx.Client, service: Service, trips_db: psycopg.Connection
) -> None:
    before, entries = _files(service), _entries(trips_db)
    answer = client.post(
        "/files", params={"name": "endless.csv"}, content=_bytes(LIMIT // MIB + 1), timeout=120
    )
    assert (answer.status_code, answer.json()) == (
        413,
        {"message": f"The body is larger than {LIMIT} bytes"},
    )
    assert (_files(service), _entries(trips_db)) == (before, entries)


@pytest.mark.parametrize("name", ["folder", "folder/file.csv/deeper.csv"])
def test_an_upload_to_an_impossible_path_leaves_nothing(
    client: httpx.Client, service: Service, name: str
) -> None:
    (service.landing / "folder.csv").mkdir(exist_ok=True, parents=True)
    (service.landing / "folder" / "file.csv").parent.mkdir(exist_ok=True)
    (service.landing / "folder" / "file.csv").write_text("a file")
    before = _files(service)
    name = name if name.endswith(".csv") else f"{name}.csv"
    answer = client.post("/files", params={"name": name}, content=b"x")
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": f"name: a folder is where '{name}' is to be, or a file where it needs a folder"},
    )
    assert _files(service) == before


def test_files_of_stops_are_no_files_of_trips(client: httpx.Client, service: Service) -> None:
    (service.landing / "stops").mkdir(exist_ok=True, parents=True)
    (service.landing / "stops" / "Turin.csv").write_text("lon,lat\n7,45\n")
    before = _files(service)
    refused = "'stops/Turin.csv' is a file of stops: copy it into the landing zone"
    answer = client.post("/files", params={"name": "stops/Turin.csv"}, content=b"x")
    assert (answer.status_code, answer.json()) == (400, {"message": f"name: {refused}"})
    answer = client.post("/trips", json={"data_type": "mocked", "data": "stops/Turin.csv"})
    assert (answer.status_code, answer.json()) == (400, {"message": f"data: {refused}"})
    assert _files(service) == before


def test_an_upload_into_a_broken_landing_folder_is_answered_with_503(
    client: httpx.Client, service: Service
) -> None:
    partial = service.landing / ".uploads"
    aside = partial.rename(service.landing / ".aside") if partial.exists() else None
    partial.write_text("a file where the service keeps partial files")
    try:
        answer = client.post("/files", params={"name": "broken.csv"}, content=b"x")
    finally:
        partial.unlink()
        if aside is not None:
            aside.rename(partial)
    assert (answer.status_code, answer.json()) == (503, {"message": "The landing zone is away, try again"})
    assert answer.headers["Retry-After"] == "10"
    assert (
        client.post("/files", params={"name": "broken.csv"}, content=b"x").status_code == httpx.codes.ACCEPTED
    )


def test_a_start_deletes_uploads_of_killed_services_only(service: Service, tmp_path: Path) -> None:
    before = _files(service)
    other = Service(
        service.database_url, service.dagster_database_url, service.landing, tmp_path / "other.log"
    )
    with running(other), _begin(other, "living.csv", 3 * MIB) as living:
        with _begin(service, "killed.csv", 3 * MIB):
            service.stop(signal.SIGKILL)
        assert len(_files(service)) == len(before) + 2
        rest = memoryview(PIECES[2])
        with ThreadPoolExecutor() as beside:
            started = beside.submit(service.start)
            while not started.done():
                # An upload of which nothing comes for long would be given up.
                living.sendall(rest[:1])
                rest = rest[1:]
                wait([started], timeout=1)
        started.result()
        assert len(_files(service)) == len(before) + 1
        living.sendall(rest)
        assert living.recv(12) == b"HTTP/1.1 202"
    assert _files(service) == before | {"living.csv"}
    assert (service.landing / "living.csv").read_bytes() == b"".join(PIECES)


def test_a_stop_ends_running_uploads_and_leaves_nothing(
    service: Service, trips_db: psycopg.Connection
) -> None:
    before, entries = _files(service), _entries(trips_db)
    with _begin(service, "without_end.csv", 3 * MIB):
        service.stop()
    assert (_files(service), _entries(trips_db)) == (before, entries)
    service.start()
