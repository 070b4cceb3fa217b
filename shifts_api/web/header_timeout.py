"""One client's connection, before there is a request: nobody may say for ever who they are and what they want."""

import asyncio
import json
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN_S = 10
"""How long a request's first line and headers may take to come, and a new client to begin them."""
MAX_HEAD_BYTES = 64 * 1024
"""More is read of no head, give or take what one look at the socket brings."""


class Connection(HttpToolsProtocol):
    """Uvicorn's, which itself would wait without end and keep headers of any length."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _begins_here = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request's time runs."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on, unless this head does not end."""
        self._begins_here = False
        super().data_received(data)
        if self._deadline is not None and not self._begins_here:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, f"The address and the headers are longer than {MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """A request's time runs."""
        super().on_message_begin()
        self._begins_here = True
        if self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The request is known; what becomes of its body is watched elsewhere."""
        self._forget_deadline()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered like every other error."""
        self._refuse(400, msg)

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(
            HEAD_WITHIN_S, self._refuse, 408, f"No request came within {HEAD_WITHIN_S} s"
        )

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int, message: str) -> None:
        self._forget_deadline()
        body = json.dumps({"message": message}).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
