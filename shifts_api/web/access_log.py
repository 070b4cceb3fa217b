"""What every request gets: an id, security headers, a line in the log and its place in the figures."""

import asyncio
import logging
import re
import time
import uuid

from sse_starlette.sse import SendTimeoutError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shifts_api.web.logs import request_id
from shifts_api.web.metrics import RequestMetrics

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STREAMS = frozenset({"/api/v1/events"})
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_access = logging.getLogger("shifts_api.access")


class Observe:
    """ASGI middleware, outermost."""

    def __init__(
        self, app: ASGIApp, metrics: RequestMetrics, prefix: str, running: set[asyncio.Task[object]]
    ) -> None:
        self._app = app
        self._running = running
        self._prefix = prefix
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and notes how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        current = given if _ID.fullmatch(given) else uuid.uuid4().hex
        request_id.set(current)
        status = 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = current
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        began = time.perf_counter()
        outcome = "done"
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._app(scope, receive, note)
        except SendTimeoutError:
            outcome = "cut off"
        finally:
            self._running.discard(task)
            self._note(scope, status, time.perf_counter() - began, outcome)

    def _note(self, scope: Scope, status: int, seconds: float, outcome: str) -> None:
        # Paths of no route are not labels: anyone can invent any number of them.
        route = getattr(scope.get("route"), "path", "none")
        if route != "none" and scope["path"].startswith(f"{self._prefix}/"):
            # A route of an included router knows its path without the prefix.
            route = self._prefix + route
        method = scope["method"] if route != "none" else "any"
        self._metrics.requests.labels(method, route, status).inc()
        if route not in _STREAMS:
            self._metrics.seconds.labels(method, route).observe(seconds)
        # Without the query: what is asked for is nobody's business, and keys end up there by mistake.
        _access.info(
            "request",
            extra={
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round(1000 * seconds, 1),
                "client": (scope.get("client") or ("unknown",))[0],
                "outcome": outcome,
            },
        )
