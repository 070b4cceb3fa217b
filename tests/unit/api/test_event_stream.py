"""Streams of events: heartbeats, clients that do not read, and disconnects."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest
from starlette.types import Message

from shifts_api.web.endings import Ending
from shifts_api.web.event_stream import (
    HEARTBEAT_S,
    SEND_TIMEOUT_S,
    EventStream,
    OpenStreams,
    SendTimeoutError,
)


class Connection:
    """A client's side of a stream: it reads until `is_reading` is cleared."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.is_reading = asyncio.Event()
        self.is_reading.set()
        self.has_left = asyncio.Event()

    async def send(self, message: Message) -> None:
        await self.is_reading.wait()
        self.received.append(message.get("body", b"start"))

    async def receive(self) -> Message:
        await self.has_left.wait()
        return {"type": "http.disconnect"}


Act = Callable[[Connection, OpenStreams, asyncio.Event], Awaitable[None]]


async def _run(act: Act, ending: Ending | None = None) -> tuple[list[bytes], bool]:
    """What the client received, and whether the stream's generator was closed."""
    connection, streams, more, closed = Connection(), OpenStreams(), asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncGenerator[bytes]:
        try:
            yield b"first"
            await more.wait()
            yield b"second"
        finally:
            closed.set()

    stream = EventStream(pieces(), streams, [] if ending is None else [ending])
    running = asyncio.create_task(stream({}, connection.receive, connection.send))
    while b"first" not in connection.received:
        await asyncio.sleep(0)
    await act(connection, streams, more)
    try:
        await running
    finally:
        assert not streams._clients
    return connection.received, closed.is_set()


def test_a_stream_ends_with_its_pieces() -> None:
    async def act(_: Connection, __: OpenStreams, more: asyncio.Event) -> None:
        more.set()

    assert asyncio.run(_run(act)) == ([b"start", b"first", b"second", b""], True)


def test_a_silent_stream_sends_heartbeats() -> None:
    async def act(connection: Connection, streams: OpenStreams, more: asyncio.Event) -> None:
        streams.check(time.monotonic())
        streams.check(time.monotonic() + HEARTBEAT_S)
        while len(connection.received) < 3:
            await asyncio.sleep(0)
        more.set()

    assert asyncio.run(_run(act)) == ([b"start", b"first", b": ping\r\n\r\n", b"second", b""], True)


def test_a_stream_ends_when_its_client_disconnects() -> None:
    async def act(connection: Connection, _: OpenStreams, __: asyncio.Event) -> None:
        connection.has_left.set()

    assert asyncio.run(_run(act)) == ([b"start", b"first"], True)


def test_a_client_that_does_not_read_is_dropped() -> None:
    async def act(connection: Connection, streams: OpenStreams, more: asyncio.Event) -> None:
        connection.is_reading.clear()
        more.set()
        for _ in range(10):
            await asyncio.sleep(0)
        streams.check(time.monotonic())
        streams.check(time.monotonic() + SEND_TIMEOUT_S + 1)

    with pytest.raises(SendTimeoutError):
        asyncio.run(_run(act))


@pytest.mark.parametrize("comes_early", [False, True], ids=["later", "before it begins"])
def test_a_stream_ends_in_order_when_its_rights_end(*, comes_early: bool) -> None:
    ending = Ending()
    if comes_early:
        ending.come()

    async def act(*_: object) -> None:
        ending.come()

    assert asyncio.run(_run(act, ending)) == ([b"start", b"first", b""], True)
