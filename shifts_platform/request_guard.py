"""Refuses requests to a local web server that only a page of another site would send.

Dagster's webserver has no login. It executes GraphQL mutations sent by GET or as `text/plain`, under any `Host` and
from any `Origin`: any page in a browser that reaches it could stop sensors and code servers. The rules follow Fetch
Metadata (`Sec-Fetch-*`), the `Origin` header, and a `Host` allow-list against DNS rebinding.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)
_READING = frozenset({"GET", "HEAD"})


class Refusal(NamedTuple):
    """Why a request is not passed on: a status and one line for a person."""

    status: HTTPStatus
    message: str


@dataclass(frozen=True)
class _Authority:
    """A host name in lower case and, where one is written, its port."""

    host: str
    port: str | None


class RequestGuard:
    """ASGI middleware that passes on what the webserver's own page, or a program without a browser, sends.

    Args:
        app: the web server.
        hosts: names under which it is reached, besides those of loopback.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers refused requests itself, with one line of text."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = find_refusal(scope, self._hosts)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] in _READING and _is_graphql(scope):
            # GraphiQL's page, which reads its parameters in the browser: here nothing is left to execute.
            scope = {**scope, "query_string": b""}
        await self._app(scope, receive, _without_framing(send))


def find_refusal(scope: Scope, hosts: Collection[str]) -> Refusal | None:
    """The reason to refuse an HTTP request or a WebSocket handshake, or None."""
    headers = Headers(scope=scope)
    method = scope.get("method", "GET")
    own = _parse_authority(_only(headers, "host"))
    if own is None or not _is_allowed(own.host, hosts):
        name = headers.get("host", "")[:100]
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"The host {name!r} is not served here: allow it with SHIFTS_DAGSTER_HOSTS",
        )
    if method not in _READING and method != "POST":
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} is not allowed")
    if not _is_own_origin(headers, own) or not _is_own_site(
        headers, scope["type"] == "http" and method in _READING
    ):
        return Refusal(HTTPStatus.FORBIDDEN, "Requests from pages of other sites are refused")
    if scope["type"] == "websocket":
        return None
    if method in _READING:
        if _is_graphql(scope) and "text/html" not in headers.get("accept", ""):
            return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GraphQL is answered to POST only")
        return None
    if (_only(headers, "content-type") or "").partition(";")[0].strip().lower() != "application/json":
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "POST needs Content-Type: application/json")
    return None


def _is_own_origin(headers: Headers, own: _Authority) -> bool:
    """Whether `Origin` is absent, as outside of browsers, or names the host that the request was sent to."""
    if "origin" not in headers:
        return True
    origin = _only(headers, "origin")
    try:
        parts = urlsplit(origin or "")
    except ValueError:
        return False
    # A proxy may speak TLS in front of us, so the scheme cannot be compared.
    return parts.scheme in ("http", "https") and _parse_authority(parts.netloc) == own


def _is_own_site(headers: Headers, is_read: bool) -> bool:
    """Whether the browser says that the page that asks is our own; links to ours may be followed from anywhere.

    Another port of this host is `same-site`, and another origin.
    """
    if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return True
    is_followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return is_read and is_followed


def _is_allowed(host: str, hosts: Collection[str]) -> bool:
    if host == "localhost" or host in hosts:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_graphql(scope: Scope) -> bool:
    # Whatever prefix the server was given.
    return str(scope["path"]).rstrip("/").endswith("/graphql")


def _only(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else None


def _parse_authority(text: str | None) -> _Authority | None:
    match = _AUTHORITY.fullmatch(text or "")
    if match is None:
        return None
    host, port = match.groups()
    return _Authority(host.lower().strip("[]"), port)


def _without_framing(send: Send) -> Send:
    """Tells browsers not to show our pages inside those of others, where clicks can be stolen."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Frame-Options"] = "SAMEORIGIN"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
        await send(message)

    return send_with_headers


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"X-Content-Type-Options": "nosniff"}
    if refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "POST" if _is_graphql(scope) else "GET, HEAD, POST"
    answer = PlainTextResponse(f"{refusal.message}\n", refusal.status, headers)
    if scope["type"] == "http":
        await answer(scope, receive, send)
        return
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        # Starlette sends the same response with the message types of a handshake that is denied.
        await answer(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008})
