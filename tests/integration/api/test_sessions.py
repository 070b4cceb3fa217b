"""Sessions of pages: a cookie in place of the key, for requests of the same origin."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from shifts_core.access.rights import Rights
from shifts_platform.keys import add_key, revoke_key
from tests.integration.api.running import Service, posted, trip, wait_until

PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def key(trips_db: psycopg.Connection, request: pytest.FixtureRequest) -> str:
    """A writer's key."""
    return add_key(trips_db, request.node.name, Rights("writer"))


@pytest.fixture
def page(service: Service, key: str) -> Iterator[httpx.Client]:
    """A browser whose page has begun a session."""
    with httpx.Client(base_url=service.api, headers=PAGE, timeout=20) as client:
        assert client.post("/session", json={"key": key}).status_code == 201
        yield client


def test_the_cookie_is_for_this_origin_and_no_script(service: Service, key: str) -> None:
    answer = httpx.post(f"{service.api}/session", json={"key": key})
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("shifts_session=")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=43200", "Path=/api/v1", "SameSite=strict"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() | {"name": "", "expires_at": ""} == {
        "name": "",
        "role": "writer",
        "regions": None,
        "aggregates_only": False,
        "expires_at": "",
    }
    behind_tls = httpx.post(
        f"{service.api}/session", json={"key": key}, headers={"X-Forwarded-Proto": "https"}
    )
    assert "Secure" in behind_tls.headers["Set-Cookie"].split("; ")


def test_a_page_learns_what_its_session_may_do(page: httpx.Client, request: pytest.FixtureRequest) -> None:
    rights = {"role": "writer", "regions": None, "aggregates_only": False}
    assert page.get("/session").json() == {"name": request.node.name, **rights}


def test_a_page_reads_writes_and_follows_the_feed(page: httpx.Client) -> None:
    assert page.get("/regions").status_code == 200
    assert page.post("/trips", json=posted(trip())).status_code == 201
    with page.stream("GET", "/events") as stream:
        assert next(stream.iter_lines()).startswith(":")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
    ids=lambda headers: " ".join(headers.values()) or "nothing",
)
def test_the_cookie_alone_writes_nothing(page: httpx.Client, headers: dict[str, str]) -> None:
    del page.headers["Sec-Fetch-Site"]
    for answer in (
        page.post("/trips", json=posted(trip()), headers=headers),
        page.delete("/session", headers=headers),
    ):
        assert answer.status_code == 403
    assert page.get("/regions").status_code == 200


def test_the_end_of_a_session_ends_its_cookie_and_streams(
    page: httpx.Client, service: Service, key: str
) -> None:
    token = page.cookies["shifts_session"]
    with page.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        ended = page.delete("/session")
        assert (ended.status_code, ended.json()) == (200, {"message": "Session ended"})
        assert not [line for line in lines if line.startswith("data")]
    assert page.get("/regions").status_code == 401
    stolen = {"Cookie": f"shifts_session={token}"}
    wait_until(lambda: httpx.get(f"{service.api}/regions", headers=stolen).status_code == 401, 10)
    assert httpx.get(f"{service.api}/regions", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_a_revoked_key_ends_its_sessions(
    page: httpx.Client, trips_db: psycopg.Connection, request: pytest.FixtureRequest
) -> None:
    revoke_key(trips_db, request.node.name)
    wait_until(lambda: page.get("/regions").status_code == 401, 10)


@pytest.mark.parametrize("token", ["", "x", "0123abcd.9999999999." + "0" * 32 + "." + "0" * 64])
def test_an_invented_cookie_is_refused(service: Service, key: str, token: str) -> None:
    assert key
    answer = httpx.get(f"{service.api}/regions", headers={"Cookie": f"shifts_session={token}"})
    assert answer.status_code == 401


def test_an_expired_session_is_refused(page: httpx.Client, service: Service) -> None:
    prefix, _, number, signature = page.cookies["shifts_session"].split(".")
    changed = f"{prefix}.1.{number}.{signature}"
    answer = httpx.get(f"{service.api}/regions", headers={"Cookie": f"shifts_session={changed}"})
    assert answer.status_code == 401


def test_a_websocket_takes_the_cookie_from_its_own_origin_only(page: httpx.Client, service: Service) -> None:
    cookie = {"Cookie": f"shifts_session={page.cookies['shifts_session']}"}
    url = f"ws://127.0.0.1:{service.port}/api/v1/trips/live"
    with connect(url, additional_headers=cookie, origin=Origin(service.root)):
        pass
    for origin in (None, Origin("https://evil.example")):
        with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=cookie, origin=origin):
            pass
        assert refused.value.response.status_code == 403
