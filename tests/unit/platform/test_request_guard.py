"""The requests to Dagster's webserver that the guard passes on, header by header."""

from collections.abc import Mapping
from http import HTTPStatus

import pytest

from shifts_platform.request_guard import find_refusal

HOSTS = frozenset({"dagster.example.org"})
JSON = {"content-type": "application/json"}


def refusal(
    method: str = "POST",
    path: str = "/graphql",
    headers: Mapping[str, str] = JSON,
    host: str | None = "localhost:3000",
    more: tuple[tuple[str, str], ...] = (),
) -> HTTPStatus | None:
    """The status of the refusal, or None; the method "WS" means a WebSocket handshake."""
    pairs = [*({} if host is None else {"host": host}).items(), *headers.items(), *more]
    scope = {
        "type": "websocket" if method == "WS" else "http",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
    }
    if method != "WS":
        scope["method"] = method
    found = find_refusal(scope, HOSTS)
    return found and found.status


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:3000",
        "127.0.0.1:3000",
        "127.1.2.3",
        "[::1]:3000",
        "dagster.example.org",
        "Dagster.Example.org:8443",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "WS"])
def test_loopback_and_configured_hosts_are_served(method: str, host: str) -> None:
    assert refusal(method, path="/server_info", host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost:3000@evil.example",
        "localhost:3000, evil.example",
        "10.0.0.7:3000",
        "0.0.0.0:3000",
        "[::]",
        "sub.dagster.example.org",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "WS"])
def test_other_hosts_are_refused(method: str, host: str | None) -> None:
    assert refusal(method, path="/server_info", host=host) is HTTPStatus.MISDIRECTED_REQUEST


def test_two_hosts_are_refused() -> None:
    assert refusal(more=(("host", "localhost"),)) is HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://localhost:3000", "HTTP://LOCALHOST:3000"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "WS"])
def test_the_own_origin_is_served(method: str, origin: str) -> None:
    assert (
        refusal(method, "/server_info", {**JSON, "origin": origin, "sec-fetch-site": "same-origin"}) is None
    )


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://localhost",
        "http://localhost:8000",
        "http://127.0.0.1:3000",
        "http://evil.example",
        "http://localhost:3000.evil.example",
        "http://evil.example/@localhost:3000",
        "http://localhost:3000@evil.example",
        "chrome-extension://localhost:3000",
        "http://[",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "WS"])
def test_other_origins_are_refused(method: str, origin: str) -> None:
    assert refusal(method, "/server_info", {**JSON, "origin": origin}) is HTTPStatus.FORBIDDEN


def test_two_origins_are_refused() -> None:
    headers = {**JSON, "origin": "http://localhost:3000"}
    assert refusal(headers=headers, more=(("origin", "http://evil.example"),)) is HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unknown"])
@pytest.mark.parametrize("method", ["GET", "POST", "WS"])
def test_requests_that_fetch_metadata_calls_foreign_are_refused(method: str, site: str) -> None:
    headers = {**JSON, "sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert refusal(method, "/logs/run/step/1.err", headers) is HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("method", "destination", "expected"),
    [
        ("GET", "document", None),
        ("GET", "iframe", HTTPStatus.FORBIDDEN),
        ("POST", "document", HTTPStatus.FORBIDDEN),
    ],
)
def test_links_of_other_sites_are_served_but_not_forms_and_frames(
    method: str, destination: str, expected: HTTPStatus | None
) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": destination}
    assert refusal(method, "/runs", {**JSON, **headers}) is expected


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "text/plain; application/json",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/raw_trips"])
def test_only_json_is_posted(path: str, media_type: str) -> None:
    assert refusal(path=path, headers={"content-type": media_type}) is HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert refusal(path=path, headers={}) is HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert refusal(path=path, headers={"content-type": "Application/JSON; charset=utf-8"}) is None


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/prefix/graphql"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_graphql_is_not_answered_to_get(method: str, path: str) -> None:
    assert refusal(method, path, {"accept": "*/*"}) is HTTPStatus.METHOD_NOT_ALLOWED
    assert refusal(method, path, {"accept": "text/html"}) is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_methods_that_the_ui_does_not_use_are_refused(method: str) -> None:
    assert refusal(method) is HTTPStatus.METHOD_NOT_ALLOWED
