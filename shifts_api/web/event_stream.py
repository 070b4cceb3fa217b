"""A stream of server-sent events to one of thousands of clients: few tasks a client, and one timer for all."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shifts_api.web.endings import Ending, first_of

HEARTBEAT_S = 15
SEND_TIMEOUT_S = 10
"""A client that accepts no byte for this long is dropped."""
_CHECK_INTERVAL_S = 1.0
_HEARTBEAT = b": ping\r\n\r\n"


class SendTimeoutError(TimeoutError):
    """A client has accepted no byte for `SEND_TIMEOUT_S`."""


class OpenStreams:
    """Sends heartbeats to the streams that are silent, and drops clients that do not read."""

    def __init__(self) -> None:
        self._clients: set[_Client] = set()
        self._heartbeats: set[asyncio.Task[None]] = set()

    def add(self, client: "_Client") -> None:
        """Begins to watch a client."""
        self._clients.add(client)

    def discard(self, client: "_Client") -> None:
        """Ends that."""
        self._clients.discard(client)

    async def watch(self) -> None:
        """Checks all streams every second; never returns."""
        while True:
            await asyncio.sleep(_CHECK_INTERVAL_S)
            self.check(time.monotonic())

    def check(self, now: float) -> None:
        """Drops the clients that are stalled, and sends heartbeats to those that are silent."""
        for client in self._clients:
            if client.is_stalled(now):
                client.drop()
            elif client.is_silent(now):
                # A client that does not read must not delay the others.
                task = asyncio.create_task(client.send(_HEARTBEAT))
                self._heartbeats.add(task)
                task.add_done_callback(self._heartbeats.discard)


class EventStream(Response):
    """Sends pieces of a stream until they end, the client disconnects, or it stops reading.

    Args:
        pieces: whole events.
        streams: watches this one.
        endings: end the stream, as when the client's key is revoked.
        seconds: after which it ends in any case; None for never.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        streams: OpenStreams,
        endings: Sequence[Ending] = (),
        seconds: float | None = None,
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers, media_type="text/event-stream")
        del self.headers["Content-Length"]
        self._pieces = pieces
        self._streams = streams
        self._endings = endings
        self._seconds = seconds

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream.

        Raises:
            SendTimeoutError: the client was dropped.
        """
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        client = _Client(send)
        # A task of its own: each event resumes only the few coroutines of the stream, not those of all middleware.
        client.sending = asyncio.create_task(self._send_pieces(client))
        leaving = asyncio.create_task(_wait_for_disconnect(receive))
        self._streams.add(client)
        try:
            with first_of(self._endings) as end:
                await asyncio.wait(
                    [client.sending, leaving, end], timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            self._streams.discard(client)
            client.sending.cancel()
            leaving.cancel()
            await asyncio.gather(client.sending, leaving, return_exceptions=True)
        if client.is_dropped:
            raise SendTimeoutError
        if not client.sending.cancelled():
            client.sending.result()
        if leaving.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_pieces(self, client: "_Client") -> None:
        try:
            async for piece in self._pieces:
                await client.send(piece)
        finally:
            await self._pieces.aclose()


class _Client:
    """The receiver of a stream."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._sent_at = time.monotonic()
        self._sending_since: float | None = None
        self.sending: asyncio.Task[None] | None = None
        """Sends the stream."""
        self.is_dropped = False

    async def send(self, piece: bytes) -> None:
        """Returns when the client's connection accepts more."""
        self._sent_at = time.monotonic()
        if self._sending_since is None:
            self._sending_since = self._sent_at
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        self._sending_since = None

    def is_stalled(self, now: float) -> bool:
        """Whether it accepts nothing."""
        return self._sending_since is not None and now - self._sending_since > SEND_TIMEOUT_S

    def is_silent(self, now: float) -> bool:
        """Whether it waits for a heartbeat."""
        return self._sending_since is None and now - self._sent_at >= HEARTBEAT_S - _CHECK_INTERVAL_S

    def drop(self) -> None:
        """Ends the stream, because the client does not read."""
        self.is_dropped = True
        assert self.sending is not None
        self.sending.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
