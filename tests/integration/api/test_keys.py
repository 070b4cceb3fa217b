"""The life of a key: added and revoked while services run, used, guessed, and kept secret."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import psycopg
import pytest
from pydantic import SecretStr
from websockets.sync.client import connect

from shifts_api.app import create_app
from shifts_api.settings import ApiSettings
from shifts_core.access.failed_attempts import MAX_FAILURES
from shifts_core.access.rights import Rights
from shifts_platform.keys import add_key, list_keys, revoke_key
from tests.integration.api.running import Service, posted, running, trip, wait_until


@pytest.fixture(scope="module")
def other(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A second process on the same databases."""
    log = tmp_path_factory.mktemp("other") / "api.log"
    with running(Service(service.database_url, service.dagster_database_url, service.landing, log)) as found:
        yield found


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _status(service: Service, key: str | None) -> int:
    return httpx.get(f"{service.api}/regions", headers=_bearer(key) if key else {}).status_code


def _from(address: str) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=20)


def test_the_first_key_closes_every_process_and_its_streams_at_once(
    service: Service, other: Service, trips_db: psycopg.Connection
) -> None:
    assert [_status(each, None) for each in (service, other)] == [200, 200]
    assert httpx.post(f"{service.api}/trips", json=posted(trip())).status_code == 201
    with httpx.stream("GET", f"{other.api}/events", timeout=20) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        key = add_key(trips_db, "first", Rights("reader"))
        # The stream ends, cleanly.
        assert not [line for line in lines if line.startswith("data")]
    wait_until(lambda: [_status(each, None) for each in (service, other)] == [401, 401], 10)
    assert [_status(each, key) for each in (service, other)] == [200, 200]


def test_a_revoked_key_ends_in_every_process_with_its_streams_and_sockets(
    service: Service, other: Service, trips_db: psycopg.Connection
) -> None:
    key = add_key(trips_db, "leaver", Rights("admin"))
    assert [_status(each, key) for each in (service, other)] == [200, 200]
    with (
        httpx.stream("GET", f"{service.api}/events", headers=_bearer(key), timeout=20) as stream,
        connect(f"ws://127.0.0.1:{other.port}/api/v1/trips/live", additional_headers=_bearer(key)) as socket,
    ):
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        revoke_key(trips_db, "leaver")
        assert not [line for line in lines if line.startswith("data")]
        # Pings and notifications come before the end.
        for _ in socket:
            pass
    wait_until(lambda: [_status(each, key) for each in (service, other)] == [401, 401], 10)


def test_revoking_the_last_key_does_not_open_the_service(
    service: Service, trips_db: psycopg.Connection
) -> None:
    names = [key.name for key in list_keys(trips_db) if key.revoked_at is None]
    for name in names:
        revoke_key(trips_db, name)
    add_key(trips_db, "only", Rights("reader"))
    revoke_key(trips_db, "only")
    service.stop()
    service.start()
    assert _status(service, None) == 401


def test_changed_rights_take_effect_at_once(service: Service, trips_db: psycopg.Connection) -> None:
    key = add_key(trips_db, "changing", Rights("reader"))
    assert _status(service, key) == 200

    def post() -> int:
        return httpx.post(f"{service.api}/trips", json=posted(trip()), headers=_bearer(key)).status_code

    assert post() == 403
    trips_db.execute("UPDATE shifts_store.api_keys SET role = 'writer' WHERE name = 'changing'")
    wait_until(lambda: post() == 201, 10)


def test_changes_are_received_after_the_listening_connection_was_killed(
    service: Service, trips_db: psycopg.Connection
) -> None:
    killed = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shifts_api keys'"
    )
    assert trips_db.execute(killed).fetchall()
    key = add_key(trips_db, "after", Rights("reader"))
    assert _status(service, key) == 200


def test_the_last_use_is_recorded(service: Service, trips_db: psycopg.Connection) -> None:
    key = add_key(trips_db, "used", Rights("reader"))
    assert _status(service, key) == 200

    def is_recorded() -> bool:
        return any(each.last_used_at is not None for each in list_keys(trips_db) if each.name == "used")

    wait_until(is_recorded, 30)
    assert all(each.last_used_at is None for each in list_keys(trips_db) if each.name == "only")


def test_many_wrong_keys_from_an_address_are_refused_for_a_while(
    service: Service, trips_db: psycopg.Connection
) -> None:
    url = f"{service.api}/regions"
    known, late = (add_key(trips_db, name, Rights("reader")) for name in ("known", "late"))
    assert _status(service, late) == 200
    with _from("127.0.0.3") as client:
        assert client.get(url, headers=_bearer(known)).status_code == 200
        guesses = [client.get(url, headers=_bearer(f"guess {n}")).status_code for n in range(MAX_FAILURES)]
        assert guesses == [401] * MAX_FAILURES
        refused = client.get(url, headers=_bearer("guess"))
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        # A right guess looks like a wrong one; a key that was used from there before goes on working.
        assert client.get(url, headers=_bearer(late)).status_code == 429
        assert client.post(f"{service.api}/session", json={"key": late}).status_code == 429
        assert client.get(url, headers=_bearer(known)).status_code == 200
        assert client.get(url).status_code == 401
    with _from("127.0.0.4") as client:
        assert client.get(url, headers=_bearer(late)).status_code == 200


@pytest.mark.parametrize("header", ["", "Basic dTpw", "Bearer", "bearer x y", "Token x"])
def test_other_forms_of_authorization_are_refused(service: Service, header: str) -> None:
    with _from("127.0.0.5") as client:
        answer = client.get(f"{service.api}/regions", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_appears_in_no_log_answer_or_table(
    service: Service, other: Service, trips_db: psycopg.Connection
) -> None:
    key = add_key(trips_db, "secret", Rights("admin"))
    assert [_status(each, key) for each in (service, other)] == [200, 200]
    secret = key.rpartition("_")[2]
    answers = [
        httpx.get(f"{service.api}/regions", params={"key": key}, headers=_bearer(key)),
        httpx.get(f"{service.api}/none", headers=_bearer(key)),
        httpx.get(f"{service.api}/regions", headers=_bearer(key + "x")),
        httpx.post(f"{service.api}/session", json={"key": key}),
        httpx.post(f"{service.api}/session", json={"key": [key]}),
        httpx.post(f"{service.api}/session", json={"keys": key}),
        httpx.get(f"{service.api}/audit", headers=_bearer(key)),
        httpx.get(f"{service.root}/metrics"),
        httpx.get(f"{service.root}/openapi.json"),
    ]
    assert [answer.status_code for answer in answers] == [400, 404, 401, 201, 400, 400, 200, 200, 200]
    texts = [answer.text + repr(answer.headers) for answer in answers]
    texts += [service.log.read_text(), other.log.read_text()]
    for table in ("api_keys", "ended_sessions", "audit_trail"):
        texts += [
            repr(row) for row in trips_db.execute(f"SELECT t::text FROM shifts_store.{table} t".encode())
        ]
    assert not [text for text in texts if secret in text]


def test_a_service_that_cannot_read_its_keys_answers_nothing(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    settings = ApiSettings(
        database_url=nowhere,
        dagster_database_url=nowhere,
        landing_url=str(tmp_path),
        api_key=SecretStr("key"),
    )

    async def send_request() -> httpx.Response:
        app = create_app(settings)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
        ):
            return await client.get("/api/v1/regions", headers=_bearer("key"))

    answer = anyio.run(send_request)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
