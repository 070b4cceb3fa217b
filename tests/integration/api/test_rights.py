"""Access rights: the service's role in the database, clients with and without the key, pages of other sites."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import psycopg
import pytest
from pydantic import SecretStr

from shifts_api.app import create_app
from shifts_api.settings import ApiSettings
from tests.integration.api.running import Service, posted, running, trip

KEY = "a key of many words, and signs: !"
HOME = "https://maps.example"


@pytest.fixture(scope="module")
def locked(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A service with a key and a configured origin."""
    folder = tmp_path_factory.mktemp("locked")
    more = {"SHIFTS_API_KEY": KEY, "SHIFTS_API_CORS_ORIGINS": f"{HOME}, https://other.example"}
    service = Service(database_url, dagster_database_url, folder / "landing", folder / "api.log", more)
    with running(service), httpx.Client(base_url=service.api) as client:
        yield client


@pytest.fixture
def as_service(database_url: str, client: httpx.Client) -> Iterator[psycopg.Connection]:
    """A connection to the trips database in the service's role."""
    assert client.post("/trips", json=posted(trip())).status_code == 201
    with psycopg.connect(database_url, options="-c role=shifts_api", autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO shifts_store.trips SELECT * FROM shifts_store.trips",
        "UPDATE shifts_store.trips SET region_id = 1",
        "DELETE FROM shifts_store.trips",
        "TRUNCATE shifts_store.trips",
        "DROP TABLE shifts_store.trips",
        "ALTER TABLE shifts_store.trips ADD COLUMN x integer",
        "DELETE FROM shifts_store.trips_2018w22",
        "DROP TABLE shifts_store.trips_2018w22",
        "INSERT INTO shifts_store.regions (name) VALUES ('x')",
        "UPDATE shifts_store.sources SET name = 'x'",
        "DELETE FROM shifts_store.trip_files",
        "UPDATE shifts_store.trip_files SET status = 'queued'",
        "INSERT INTO shifts_store.rejected_rows VALUES (1, 1, '', '')",
        "DELETE FROM shifts_store.region_weeks",
        "DELETE FROM shifts_store.file_week_counts",
        "DELETE FROM shifts_store.trip_clusters",
        "INSERT INTO shifts_store.idempotency_keys (key, fingerprint) VALUES ('x', 'x')",
        "INSERT INTO shifts_store.zones (name, geometry) VALUES ('x', 'POLYGON((0 0,1 0,1 1,0 0))')",
        "DELETE FROM shifts_store.zones",
        "SELECT shifts_store.remove_file(1)",
        "SELECT shifts_store.mark_stale('{1}', '{2018-05-28}', true)",
        "SELECT shifts_store.record_file(1, '{1}', '{2018-05-28}', '{1}', '{2018-05-28}', '{2018-05-28}')",
        "SELECT shifts_store.ensure_week('2019-01-07')",
        "SELECT shifts_store.reserve_trip_numbers(1)",
        "SELECT shifts_store.claim_key('x', 'x')",
        "INSERT INTO shifts_store.api_keys (name, prefix, digest, session_secret, role)"
        " VALUES ('x', 'x', sha256(''), sha256(''), 'admin')",
        "UPDATE shifts_store.api_keys SET role = 'admin'",
        "DELETE FROM shifts_store.audit_trail",
        "SELECT nextval('shifts_store.trip_numbers')",
        "CREATE TABLE shifts_store.mine (x integer)",
        "CREATE FUNCTION shifts_store.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "COPY shifts_store.regions TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT rolpassword FROM pg_authid",
        "ALTER ROLE shifts_api SUPERUSER",
    ],
)
def test_the_role_of_the_service_may_not_write(as_service: psycopg.Connection, statement: str) -> None:
    assert as_service.execute("SELECT count(*) FROM shifts_store.trips").fetchone() is not None
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_service.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT shifts_feed.publish('file.loaded', NULL, NULL, NULL, NULL, 'made up')",
        "INSERT INTO shifts_feed.events (type) VALUES ('file.loaded')",
        "DELETE FROM shifts_feed.events",
        "SELECT * FROM event_logs",
        "DELETE FROM runs",
    ],
)
def test_the_role_of_the_service_may_only_read_the_outbox(dagster_database_url: str, statement: str) -> None:
    with psycopg.connect(dagster_database_url, options="-c role=shifts_api") as connection:
        connection.execute("SELECT count(*) FROM shifts_feed.events")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_client_with_the_key_of_the_setting_may_write(locked: httpx.Client, scheme: str) -> None:
    key = {"Authorization": f"{scheme} {KEY}"}
    assert locked.post("/trips", json=posted(trip()), headers=key).status_code == 201
    assert locked.post("/files", params={"name": "a.csv"}, content=b"x", headers=key).status_code == 202


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({}, "127.0.0.6"),
        ({"Authorization": "Bearer x"}, "127.0.0.7"),
        ({"Authorization": "Bearer schlüssel"}, "127.0.0.8"),
    ],
)
def test_a_client_without_the_key_may_neither_read_nor_write(
    locked: httpx.Client, headers: dict[str, str], address: str
) -> None:
    encoded = {name.encode(): value.encode() for name, value in headers.items()}
    # Many wrong keys from one address are limited.
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(transport=transport, base_url=locked.base_url, headers=encoded) as client:
        answers = [
            client.post("/trips", json=posted(trip())),
            client.post("/files", params={"name": "a.csv"}, content=b"x"),
            client.post("/zones", json={}),
            client.put("/zones/a", json={}),
            client.delete("/zones/a"),
            client.get("/files"),
            client.get("/regions"),
        ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.json() == {"message": "An API key is needed: Authorization: Bearer <key>"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"X-Forwarded-For": "192.0.2.7"}, "Without an API key writes are allowed from this machine only"),
        ({"Forwarded": "for=192.0.2.7"}, "Without an API key writes are allowed from this machine only"),
        ({"X-Real-IP": "192.0.2.7"}, "Without an API key writes are allowed from this machine only"),
        ({"Via": "1.1 proxy"}, "Without an API key writes are allowed from this machine only"),
        ({"Origin": "https://evil.example"}, "Pages of https://evil.example may not write"),
        ({"Origin": "null"}, "Pages of null may not write"),
        ({"Origin": "http://["}, "Pages of http://[ may not write"),
    ],
)
def test_without_a_configured_key_proxied_and_foreign_writes_are_refused(
    client: httpx.Client, headers: dict[str, str], message: str
) -> None:
    answer = client.post("/trips", json=posted(trip()), headers=headers)
    assert (answer.status_code, answer.json()) == (403, {"message": message})


def test_without_a_configured_key_the_own_page_may_write(client: httpx.Client, service: Service) -> None:
    answer = client.post("/trips", json=posted(trip()), headers={"Origin": service.root})
    assert answer.status_code == 201


@pytest.mark.parametrize("host", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "no address"])
def test_without_a_configured_key_another_machine_may_not_write(service: Service, host: str) -> None:
    """Calls the real application with the address of a client on another machine."""
    settings = ApiSettings(
        database_url=service.database_url,
        dagster_database_url=service.dagster_database_url,
        landing_url=str(service.landing),
    )

    async def send_request() -> httpx.Response:
        app = create_app(settings)
        transport = httpx.ASGITransport(app, client=(host, 1))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as elsewhere,
        ):
            return await elsewhere.post("/api/v1/trips", json=posted(trip()))

    assert anyio.run(send_request).status_code == 403


def test_the_key_appears_in_no_log_or_answer(locked: httpx.Client) -> None:
    settings = ApiSettings(
        database_url="postgresql://x",
        dagster_database_url="postgresql://x",
        landing_url="x",
        api_key=SecretStr(KEY),
    )
    assert KEY not in repr(settings)
    root = str(locked.base_url).removesuffix("/api/v1/")
    document = httpx.get(f"{root}/openapi.json")
    assert KEY not in document.text + httpx.get(f"{root}/metrics").text
    assert document.json()["components"]["securitySchemes"] == {
        "key": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "shifts_session"},
    }


def _preflight(client: httpx.Client, origin: str) -> httpx.Response:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    return client.options("/trips", headers={"Origin": origin, **preflight})


def test_pages_of_configured_origins_are_allowed(locked: httpx.Client) -> None:
    allowed = _preflight(locked, HOME)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == HOME
    assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
    answer = locked.get("/regions", headers={"Origin": HOME, "Authorization": f"Bearer {KEY}"})
    assert answer.headers["Access-Control-Allow-Origin"] == HOME
    assert answer.headers["Access-Control-Expose-Headers"] == "ETag, X-Request-ID, Retry-After, Link"
    refused = locked.post("/trips", headers={"Origin": HOME})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, HOME)


def test_pages_of_other_origins_are_not_allowed(locked: httpx.Client, client: httpx.Client) -> None:
    refused: list[Any] = [_preflight(locked, "https://evil.example"), _preflight(client, HOME)]
    key = {"Authorization": f"Bearer {KEY}"}
    refused += [c.get("/regions", headers={"Origin": "https://evil.example"} | key) for c in (locked, client)]
    assert [answer.status_code for answer in refused] == [400, 405, 200, 200]
    assert not any("Access-Control-Allow-Origin" in answer.headers for answer in refused)


def test_invalid_settings_stop_the_start_with_name_and_reason(service: Service, tmp_path: Path) -> None:
    wrong = {
        "SHIFTS_API_KEY": "schlüssel",
        "SHIFTS_LANDING_URL": "s3://bucket",
        "SHIFTS_DATABASE_URL": "mysql://x:secret@y",
        "SHIFTS_API_PORT": "0",
    }
    bad = Service("", service.dagster_database_url, service.landing, tmp_path / "api.log", wrong)
    with pytest.raises(AssertionError):
        bad.start()
    assert bad.process is not None
    assert bad.process.wait(10) == 1
    (line,) = bad.log.read_text().splitlines()
    assert sorted(line.split("; ")) == [
        "SHIFTS_API_KEY: must be printable ASCII",
        "SHIFTS_API_PORT: Input should be greater than or equal to 1",
        "SHIFTS_DATABASE_URL: must be a postgresql:// URL",
        "SHIFTS_LANDING_URL: must be a folder or gs://bucket/prefix",
    ]
