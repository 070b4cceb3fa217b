"""What uvicorn's HTTP protocol lacks: limits for request lines and headers, and pushing parts of a stream."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEADER_TIMEOUT_S = 10
"""For a request line and its headers, from the connection or from the first byte of a later request."""
MAX_HEAD_BYTES = 64 * 1024
"""Of a request line and its headers; up to one read of the socket more is accepted."""
_PUSH = "shifts.push"


def pushing(scope: Scope) -> Callable[[bytes], bool] | None:
    """A function that sends a piece of the body of a response that has begun, as `send` does, but without waiting.

    It returns false, and sends nothing, if `send` would wait. A piece takes a third of the time that it takes through
    the middleware. None if another server runs the application.
    """
    found: Callable[[bytes], bool] | None = scope.get("extensions", {}).get(_PUSH)
    return found


class LimitedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol for one connection, with these limits."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _began = False
    """Whether a request began in the data that is being read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timeout of the first request."""
        super().connection_made(transport)
        self._start_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels the timeout."""
        self._cancel_timeout()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses the data, unless the headers become too long."""
        self._began = False
        super().data_received(data)
        if self._deadline is not None and not self._began:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, f"The URL and the headers are longer than {MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """Starts the timeout of a later request."""
        super().on_message_begin()
        self._began = True
        if self._deadline is None:
            self._start_timeout()

    def on_headers_complete(self) -> None:
        """Cancels the timeout; `LimitsMiddleware` limits the body."""
        self._cancel_timeout()
        super().on_headers_complete()
        # The application starts later, so it finds this in its scope.
        scope = cast("Scope", self.scope)
        scope.setdefault("extensions", {})[_PUSH] = partial(self._push, self.cycle)

    def _push(self, cycle: RequestResponseCycle, piece: bytes) -> bool:
        if self.flow.write_paused or cycle.disconnected or cycle.response_complete:
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if cycle.chunked_encoding else piece)
        return True

    def send_400_response(self, msg: str) -> None:
        """Answers malformed HTTP in the form of all other errors."""
        self._refuse(400, msg)

    def _start_timeout(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(
            HEADER_TIMEOUT_S, self._refuse, 408, f"No request arrived within {HEADER_TIMEOUT_S} s"
        )

    def _cancel_timeout(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int, message: str) -> None:
        self._cancel_timeout()
        body = json.dumps({"message": message})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write((head + body).encode())
        self.transport.close()
