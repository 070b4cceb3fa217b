"""Thousands of clients of the feed in one process: `python crowd.py`, with its options as JSON on standard input.

Each client is a bare socket, so that receiving costs less than serving. The process records the ids that each client
received, and the delay of each event from its publication.
"""

import asyncio
import gc
import json
import re
import resource
import sys
import time
from collections import Counter
from datetime import datetime
from functools import cache

_EVENT = re.compile(rb'id: (\d+)\r\n.*?"time": "([^"]+)"', re.DOTALL)
_RETRY_S = 0.1


@cache
def _published(time_: bytes) -> float:
    return datetime.fromisoformat(time_.decode()).timestamp()


class Crowd:
    """All clients: each follows the feed until it has every event, and resumes if its stream ends earlier."""

    def __init__(self, port: int, clients: int, events: int) -> None:
        self.port = port
        self.ids: list[list[int]] = [[] for _ in range(clients)]
        self.delays: list[float] = []
        self.connected: set[int] = set()
        self.all_connected = asyncio.Event()
        self._missing = clients * events
        self.done = asyncio.Event()
        self._reconnecting: set[asyncio.Task[None]] = set()

    async def connect(self, number: int) -> None:
        """Connects a client; retries while the port is closed."""
        while not self.done.is_set():
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: Client(self, number), "127.0.0.1", self.port
                )
            except OSError:
                await asyncio.sleep(_RETRY_S)
            else:
                return

    def on_stream(self, number: int) -> None:
        """Called when a client's stream begins."""
        self.connected.add(number)
        if len(self.connected) == len(self.ids):
            self.all_connected.set()

    def on_event(self, number: int, event_id: int, delay: float) -> None:
        """Called when a client receives an event."""
        self.ids[number].append(event_id)
        self.delays.append(delay)
        self._missing -= 1
        if self._missing == 0:
            self.done.set()

    def on_disconnect(self, number: int) -> None:
        """Called when a client's stream ends."""
        task = asyncio.ensure_future(self.connect(number))
        self._reconnecting.add(task)
        task.add_done_callback(self._reconnecting.discard)


class Client(asyncio.Protocol):
    """The connection of a client."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self._crowd = crowd
        self._number = number
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        received = self._crowd.ids[self._number]
        resume = f"Last-Event-ID: {received[-1]}\r\n" if received else ""
        transport.write(f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        now = time.time()
        *frames, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for frame in frames:
            if event := _EVENT.search(frame):
                self._crowd.on_event(self._number, int(event[1]), now - _published(event[2]))
            elif b": connected" in frame:
                self._crowd.on_stream(self._number)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.on_disconnect(self._number)


async def _open_stalled(port: int) -> asyncio.StreamWriter:
    """A client that sends a request and never reads."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return writer


async def main() -> None:
    options = json.loads(sys.stdin.readline())
    crowd = Crowd(options["port"], options["clients"], options["events"])
    stalled = [await _open_stalled(crowd.port) for _ in range(options["stalled"])]
    numbers = range(len(crowd.ids))
    for first in numbers[::100]:
        await asyncio.gather(*(crowd.connect(number) for number in numbers[first : first + 100]))
    await crowd.all_connected.wait()
    print("all are connected", flush=True)
    await asyncio.wait_for(crowd.done.wait(), options["seconds"])
    for writer in stalled:
        writer.transport.abort()
    received = Counter(map(tuple, crowd.ids)).most_common()
    delays = sorted(crowd.delays)
    record = {
        "received": [[list(ids), clients] for ids, clients in received],
        "p50_s": delays[len(delays) // 2],
        "p95_s": delays[int(len(delays) * 0.95)],
    }
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    # Its own pauses would be measured as the service's.
    gc.disable()
    asyncio.run(main())
