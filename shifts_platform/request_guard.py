"""Refuses requests to Dagster's webserver that only a page of another site would send.

The webserver has no login. It executes GraphQL mutations sent by GET or as `text/plain`, under any `Host` and
from any `Origin`: any page in a browser that reaches it could stop sensors and code servers.
"""

from collections.abc import Collection
from http import HTTPStatus
from typing import NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shifts_core.browser_requests import is_followed_link, is_from_other_site, is_own_origin, is_served_host

_READING = frozenset({"GET", "HEAD"})


class Refusal(NamedTuple):
    """The status and the one-line message of a refused request."""

    status: HTTPStatus
    message: str


class RequestGuard:
    """ASGI middleware that passes on requests of the webserver's own page and of programs other than browsers.

    Args:
        app: the web server.
        hosts: host names under which it is reached, besides those of loopback.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers refused requests with one line of text, passes the others on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = find_refusal(scope, self._hosts)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] in _READING and _is_graphql(scope):
            # GraphiQL's page reads its parameters in the browser; without them the server executes nothing.
            scope = {**scope, "query_string": b""}
        await self._app(scope, receive, _without_framing(send))


def find_refusal(scope: Scope, hosts: Collection[str]) -> Refusal | None:
    """The reason to refuse an HTTP request or a WebSocket handshake; None to pass it on."""
    headers = Headers(scope=scope)
    method = scope.get("method", "GET")
    host = _get_single(headers, "host")
    if host is None or not is_served_host(host, hosts):
        name = headers.get("host", "")[:100]
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"The host {name!r} is not served here: allow it with SHIFTS_DAGSTER_HOSTS",
        )
    if method not in _READING and method != "POST":
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} is not allowed")
    is_read = scope["type"] == "http" and method in _READING
    is_allowed_site = not is_from_other_site(headers) or (is_read and is_followed_link(headers))
    has_own_origin = "origin" not in headers or is_own_origin(_get_single(headers, "origin") or "", host)
    if not (is_allowed_site and has_own_origin):
        return Refusal(HTTPStatus.FORBIDDEN, "Requests from pages of other sites are refused")
    if scope["type"] == "websocket":
        return None
    if method in _READING:
        if _is_graphql(scope) and "text/html" not in headers.get("accept", ""):
            return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GraphQL is answered to POST only")
        return None
    if (_get_single(headers, "content-type") or "").partition(";")[0].strip().lower() != "application/json":
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "POST needs Content-Type: application/json")
    return None


def _is_graphql(scope: Scope) -> bool:
    # The server may have been given a path prefix.
    return str(scope["path"]).rstrip("/").endswith("/graphql")


def _get_single(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else None


def _without_framing(send: Send) -> Send:
    """Adds headers that keep browsers from framing the pages in other sites (clickjacking)."""

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
        # Starlette translates the response into the messages of a denied handshake.
        await answer(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008})
