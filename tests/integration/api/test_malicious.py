"""Malicious requests: each is refused with a message, and nothing is read, written or logged."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPResponse

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from tests.integration.api.malicious import KEY, REQUESTS
from tests.integration.api.malicious_names import MARK
from tests.integration.api.running import Service, posted, running, trip
from tests.integration.pipeline.harness import HEADER, row

SECRET = "the-secret-beside-the-landing-zone-1c9e"
_SAYS = frozenset({"time", "level", "logger", "message", "request_id", "method", "route", "status", "ms"})


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with a key and a landing folder that contains traps."""
    folder = tmp_path_factory.mktemp("malicious")
    landing, outside = folder / "landing", folder / "outside"
    for path in (landing / "sub", landing / "folder.csv", outside, landing / ".uploads"):
        path.mkdir(parents=True)
    (outside / "secret.csv").write_text(HEADER + row(region=SECRET))
    (landing / ".hidden.csv").write_text(HEADER + row(region=SECRET))
    (landing / "trips.csv").write_text(HEADER)
    (landing / "link.csv").symlink_to(outside / "secret.csv")
    (landing / "linked").symlink_to(outside)
    (landing / "loop").symlink_to("loop")
    os.mkfifo(landing / "pipe.csv")
    more = {"SHIFTS_API_KEY": KEY}
    with running(Service(database_url, dagster_database_url, landing, folder / "api.log", more)) as found:
        answer = httpx.post(
            f"{found.api}/trips", json=posted(trip()), headers={"Authorization": f"Bearer {KEY}"}
        )
        assert answer.status_code == 201
        yield found


def _password(service: Service) -> str:
    found = make_url(service.database_url).password
    assert found
    return found


@pytest.fixture(scope="module")
def written(service: Service) -> Iterator[Callable[[], object]]:
    """Everything that a request could have changed."""
    with psycopg.connect(service.database_url, autocommit=True) as owner:
        yield lambda: _written(service, owner)


@pytest.fixture(scope="module")
def before(written: Callable[[], object]) -> object:
    """The state before the first request."""
    return written()


def _written(service: Service, owner: psycopg.Connection) -> object:
    counts = owner.execute(
        "SELECT (SELECT count(*) FROM shifts_store.trips), (SELECT count(*) FROM shifts_store.trip_files),"
        " (SELECT count(*) FROM shifts_store.idempotency_keys),"
        " (SELECT max(revision) FROM shifts_store.region_weeks),"
        " (SELECT array_agg(name ORDER BY name) FROM shifts_store.regions),"
        " (SELECT array_agg(name ORDER BY name) FROM shifts_store.sources),"
        " (SELECT count(*) FROM pg_class)"
    ).fetchone()
    files = {
        path: path.lstat().st_mtime_ns for path in service.landing.parent.rglob("*") if path != service.log
    }
    return counts, files


def _send(service: Service, raw: bytes) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(raw)
        with HTTPResponse(connection) as response:
            response.begin()
            return response.status, response.read()


def test_the_collection_of_malicious_requests_is_large() -> None:
    assert len(REQUESTS) >= 200
    assert len(set(REQUESTS.values())) == len(REQUESTS)


@pytest.mark.parametrize("why", REQUESTS)
def test_a_malicious_request_is_refused_and_changes_nothing(
    service: Service, written: Callable[[], object], before: object, why: str
) -> None:
    status, body = _send(service, REQUESTS[why])
    said = json.loads(body)
    assert 400 <= status < 500, (status, said)
    assert list(said) == ["message"]
    assert said["message"]
    if why.startswith(("mocked:", "gcp:", "upload:")) and why != "upload: NUL":
        assert said["message"].startswith("name: " if why.startswith("upload:") else "data: ")
    assert len(body) < 10_000
    for secret in (SECRET, _password(service), KEY, "root:", "Traceback"):
        assert secret not in body.decode()
    assert written() == before


def test_the_log_contains_no_text_of_malicious_requests(service: Service) -> None:
    log = service.log.read_text()
    for secret in (
        KEY,
        KEY[:-1],
        _password(service),
        SECRET,
        MARK,
        "DROP TABLE",
        "pg_sleep",
        "passwd",
        "wrong-key",
        "funny",
    ):
        assert secret not in log
    for line in service.log_lines:
        assert line["level"] != "error"
        assert "fault" not in line
        assert set(line) <= _SAYS | {"client", "outcome", "actor"}


def test_the_service_works_after_malicious_requests(service: Service) -> None:
    assert httpx.get(f"{service.root}/ready").json()["ready"] is True
    answer = httpx.get(f"{service.api}/regions", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.json()["regions"][0]["trips"] == 1
    assert service.metric("shifts_feed_clients") == 0
