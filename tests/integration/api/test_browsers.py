"""Requests that a browser sends for pages of other sites: they neither read, write nor follow the feed."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.integration.api.running import Service, posted, running, trip

EVIL = "https://evil.example"
MAPS = "https://maps.example"
PATHS = [
    "/api/v1/regions",
    "/api/v1/files",
    "/api/v1/events",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/",
    "/none",
]


@pytest.fixture(scope="module")
def mapped(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service without a key, with a configured origin and host name."""
    folder = tmp_path_factory.mktemp("mapped")
    more = {"SHIFTS_API_CORS_ORIGINS": MAPS, "SHIFTS_API_HOSTS": "trips.example"}
    with running(Service(database_url, dagster_database_url, folder, folder / "api.log", more)) as found:
        yield found


@pytest.fixture(scope="module")
def public(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service without a key that every page may read."""
    folder = tmp_path_factory.mktemp("public")
    more = {"SHIFTS_API_CORS_ORIGINS": "*"}
    with running(Service(database_url, dagster_database_url, folder, folder / "api.log", more)) as found:
        yield found


def _status(url: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.stream("GET", url, headers=named, timeout=20) as answer:
        return answer.status_code


@pytest.mark.parametrize("path", PATHS)
def test_a_rebound_host_name_is_refused(service: Service, path: str) -> None:
    answer = httpx.get(service.root + path, headers={"Host": f"evil.example:{service.port}"})
    assert answer.status_code == 421
    assert answer.json() == {
        "message": f"Host evil.example:{service.port} is not served here; SHIFTS_API_HOSTS names those that are"
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_are_answered_under_any_host_name(service: Service, path: str) -> None:
    assert httpx.get(service.root + path, headers={"Host": "10.8.0.3:8000"}).status_code == 200
    assert httpx.get(service.root + path, headers={"Host": "balancer.example"}).status_code == 200


def test_configured_host_names_are_served(mapped: Service) -> None:
    assert _status(f"{mapped.api}/regions", Host="trips.example") == 200
    assert _status(f"{mapped.api}/regions", Host="Trips.Example:443") == 200
    assert _status(f"{mapped.api}/regions", Host="other.example") == 421


@pytest.mark.parametrize("path", ["/api/v1/regions", "/api/v1/events"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    "more",
    [
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Origin": EVIL},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "object"},
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Origin": "null"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
def test_a_page_of_another_site_is_refused(
    service: Service, mapped: Service, path: str, site: str, more: dict[str, str]
) -> None:
    for asked in (service, mapped):
        assert _status(asked.root + path, **{"Sec-Fetch-Site": site}, **more) == 403


def test_links_programs_and_own_pages_are_answered(service: Service) -> None:
    url = f"{service.api}/regions"
    link = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert _status(url) == 200
    assert _status(url, **{"Sec-Fetch-Site": "none"}, **link) == 200
    assert _status(url, **{"Sec-Fetch-Site": "cross-site"}, **link) == 200
    assert _status(url, **{"Sec-Fetch-Site": "same-origin"}, Origin=service.root) == 200


def test_pages_of_a_configured_origin_read_and_follow_the_feed(mapped: Service) -> None:
    page = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": MAPS}
    answer = httpx.get(f"{mapped.api}/regions", headers=page)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, MAPS)
    assert _status(f"{mapped.api}/events", **page) == 200


def _live(service: Service, origin: str | None, name: str = "127.0.0.1") -> int:
    """The status of a page's WebSocket handshake."""
    url = f"ws://{name}:{service.port}/api/v1/trips/live"
    there = socket.create_connection(("127.0.0.1", service.port))
    try:
        with connect(url, sock=there, origin=None if origin is None else Origin(origin)):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_websocket_accepts_programs_and_allowed_pages(
    service: Service, mapped: Service, public: Service
) -> None:
    own = [_live(asked, f"http://127.0.0.1:{asked.port}") for asked in (service, mapped, public)]
    assert own == [101, 101, 101]
    assert [_live(asked, None) for asked in (service, mapped, public)] == [101, 101, 101]
    assert [_live(asked, MAPS) for asked in (service, mapped, public)] == [403, 101, 101]
    assert [_live(asked, EVIL) for asked in (service, mapped, public)] == [403, 403, 101]
    assert [_live(asked, "null") for asked in (service, mapped)] == [403, 403]
    neighbour = "http://127.0.0.1:5000"
    assert [_live(asked, neighbour) for asked in (service, mapped)] == [403, 403]


def test_a_websocket_under_a_rebound_host_name_is_refused(service: Service) -> None:
    origin = f"http://evil.example:{service.port}"
    assert _live(service, origin, "evil.example") == 421


def test_the_wildcard_allows_reads_but_no_writes(public: Service) -> None:
    page = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": EVIL}
    answer = httpx.get(f"{public.api}/regions", headers=page)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    for body, path in (({"json": posted(trip())}, "/trips"), ({"content": b"x"}, "/files?name=a.csv")):
        refused = httpx.post(public.api + path, headers=page, **body)
        assert refused.status_code == 403
        assert refused.json() == {"message": f"Pages of {EVIL} may not write"}
    assert httpx.post(f"{public.api}/trips", json=posted(trip())).status_code == 201
    literal = httpx.post(f"{public.api}/trips", json=posted(trip()), headers={"Origin": "*"})
    assert literal.status_code == 403


def test_a_page_of_a_configured_origin_may_write(mapped: Service) -> None:
    page = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": MAPS}
    assert httpx.post(f"{mapped.api}/trips", json=posted(trip()), headers=page).status_code == 201


def test_without_a_key_requests_to_a_public_name_may_not_write(mapped: Service) -> None:
    answer = httpx.post(f"{mapped.api}/trips", json=posted(trip()), headers={"Host": "trips.example"})
    assert answer.status_code == 403
    assert answer.json() == {"message": "Without an API key writes are allowed from this machine only"}


def test_an_invalid_host_name_stops_the_start(service: Service, tmp_path: Path) -> None:
    more = {"SHIFTS_API_HOSTS": "https://trips.example"}
    bad = Service(service.database_url, service.dagster_database_url, tmp_path, tmp_path / "api.log", more)
    with pytest.raises(AssertionError):
        bad.start()
    assert bad.stop() == 1
    assert bad.log.read_text().startswith("SHIFTS_API_HOSTS: must be host names separated by commas")
