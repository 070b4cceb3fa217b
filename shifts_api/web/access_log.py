"""Request ids, security headers, the access log and request metrics, for every HTTP request."""

import asyncio
import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shifts_api.web.event_stream import SendTimeoutError
from shifts_api.web.logs import request_id
from shifts_api.web.metrics import RequestMetrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STREAMS = frozenset({"/api/v1/events"})
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_access = logging.getLogger("shifts_api.access")


class AccessLogMiddleware:
    """The outermost ASGI middleware.

    Args:
        app: the application.
        metrics: counts the requests.
        prefix: path prefix of the application's API.
        running: contains the tasks of unfinished requests, so that the application can wait for them when it stops.
    """

    def __init__(
        self, app: ASGIApp, metrics: RequestMetrics, prefix: str, running: set[asyncio.Task[object]]
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._prefix = prefix
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and records its outcome."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        current = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request_id.set(current)
        status, outcome = 500, "done"

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = current
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        started = time.perf_counter()
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._app(scope, receive, send_with_headers)
        except SendTimeoutError:
            outcome = "dropped"
        finally:
            self._running.discard(task)
            self._record(scope, status, time.perf_counter() - started, outcome)

    def _record(self, scope: Scope, status: int, seconds: float, outcome: str) -> None:
        # Paths without a route are not used as labels, because clients could create any number of them.
        route = getattr(scope.get("route"), "path", "none")
        if route != "none" and scope["path"].startswith(f"{self._prefix}/"):
            # Routes of an included router do not contain the prefix.
            route = self._prefix + route.removeprefix(self._prefix)
        method = scope["method"] if route != "none" else "any"
        self._metrics.requests.labels(method, route, status).inc()
        if route not in _STREAMS:
            self._metrics.seconds.labels(method, route).observe(seconds)
        # The query is left out: it is private, and clients put keys there by mistake.
        fields = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "client": (scope.get("client") or ("unknown",))[0],
            "outcome": outcome,
        }
        _access.info("request", extra=fields)
