"""Thousands of clients of the feed in one process of their own: `python crowd.py`, told by JSON on standard input.

Each is a bare socket, so that listening costs less than what is listened to. For every client it notes the ids
it got, and for every event that came while it was there how long after its publication it came.
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
_TRY_AGAIN_S = 0.1


@cache
def _published(time_: bytes) -> float:
    return datetime.fromisoformat(time_.decode()).timestamp()


class Crowd:
    """All clients: each listens until it has all events, and resumes when its stream ends before."""

    def __init__(self, port: int, clients: int, events: int) -> None:
        self.port = port
        self.ids: list[list[int]] = [[] for _ in range(clients)]
        self.delays: list[float] = []
        self.listening: set[int] = set()
        self.all_listen = asyncio.Event()
        self._missing = clients * events
        self.done = asyncio.Event()
        self._returning: set[asyncio.Task[None]] = set()

    async def join(self, number: int) -> None:
        """Connects a client, again and again while nobody listens there."""
        while not self.done.is_set():
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: Client(self, number), "127.0.0.1", self.port
                )
            except OSError:
                await asyncio.sleep(_TRY_AGAIN_S)
            else:
                return

    def welcome(self, number: int) -> None:
        """A client's stream began."""
        self.listening.add(number)
        if len(self.listening) == len(self.ids):
            self.all_listen.set()

    def note(self, number: int, event_id: int, delay: float) -> None:
        """A client got an event."""
        self.ids[number].append(event_id)
        self.delays.append(delay)
        self._missing -= 1
        if self._missing == 0:
            self.done.set()

    def lost(self, number: int) -> None:
        """A client's stream ended."""
        task = asyncio.ensure_future(self.join(number))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)


class Client(asyncio.Protocol):
    """One connection of one client."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self._crowd = crowd
        self._number = number
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        heard = self._crowd.ids[self._number]
        resume = f"Last-Event-ID: {heard[-1]}\r\n" if heard else ""
        transport.write(f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        now = time.time()
        *frames, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for frame in frames:
            if event := _EVENT.search(frame):
                self._crowd.note(self._number, int(event[1]), now - _published(event[2]))
            elif b": connected" in frame:
                self._crowd.welcome(self._number)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lost(self._number)


async def _mute(port: int) -> asyncio.StreamWriter:
    """A client that asks and never reads."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return writer


async def main() -> None:
    order = json.loads(sys.stdin.readline())
    crowd = Crowd(order["port"], order["clients"], order["events"])
    mute = [await _mute(crowd.port) for _ in range(order["mute"])]
    numbers = range(len(crowd.ids))
    for first in numbers[::100]:
        await asyncio.gather(*(crowd.join(number) for number in numbers[first : first + 100]))
    await crowd.all_listen.wait()
    print("all are listening", flush=True)
    await asyncio.wait_for(crowd.done.wait(), order["seconds"])
    for writer in mute:
        writer.transport.abort()
    heard = Counter(map(tuple, crowd.ids)).most_common()
    delays = sorted(crowd.delays)
    noted = {
        "heard": [[list(ids), clients] for ids, clients in heard],
        "p50_s": delays[len(delays) // 2],
        "p95_s": delays[int(len(delays) * 0.95)],
    }
    print(json.dumps(noted), flush=True)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    # Its own pauses would count as the service's.
    gc.disable()
    asyncio.run(main())
