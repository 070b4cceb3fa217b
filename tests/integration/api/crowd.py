"""Thousands of clients of the feed in one process of their own: `python crowd.py`, told by JSON on standard input.

Each is a bare socket, so that measuring costs less than what is measured. For every client it notes the ids it
got and, for every event, how long after its publication it was there.
"""

import asyncio
import json
import re
import resource
import sys
import time
from datetime import datetime

_FRAME = re.compile(rb'id: (\d+)\r\n.*?"time": "([^"]+)"', re.DOTALL)


class Client(asyncio.Protocol):
    """One client."""

    def __init__(self, crowd: "Crowd", after: int | None) -> None:
        self.crowd = crowd
        self.after = after
        self.ids: list[int] = []
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        resume = f"Last-Event-ID: {self.after}\r\n" if self.after is not None else ""
        transport.write(f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self.crowd.greet(self, data)
        *frames, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for frame in frames:
            if match := _FRAME.search(frame):
                self.ids.append(int(match[1]))
                published = self.crowd.published(match[2])
                self.crowd.delays.append(now - published)
        self.crowd.look()

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.lost(self)


class Crowd:
    """All clients: waits until each has the last event, or is cut off by a restart and comes back."""

    def __init__(self, size: int, silent: int, port: int, last_message: int) -> None:
        self.size, self.silent, self.port, self.wanted = size, silent, port, last_message
        self.clients: list[Client] = []
        self.greeted: set[int] = set()
        self.delays: list[float] = []
        self.ids: list[list[int]] = [[] for _ in range(size)]
        self.number: dict[int, int] = {}
        self.done = asyncio.Event()
        self.all_greeted = asyncio.Event()
        self.returning: set[asyncio.Task[None]] = set()
        self._times: dict[bytes, float] = {}

    def published(self, text: bytes) -> float:
        if text not in self._times:
            self._times[text] = datetime.fromisoformat(text.decode()).timestamp()
        return self._times[text]

    def greet(self, client: Client, data: bytes) -> None:
        if b": connected" in data:
            self.greeted.add(self.number[id(client)])
            if len(self.greeted) == self.size:
                self.all_greeted.set()

    def look(self) -> None:
        if sum(map(len, (client.ids for client in self.clients))) >= self.size * self.wanted:
            self.done.set()

    def lost(self, client: Client) -> None:
        task = asyncio.ensure_future(self.join(self.number[id(client)], client))
        self.returning.add(task)
        task.add_done_callback(self.returning.discard)

    async def join(self, number: int, before: Client | None = None) -> None:
        ids = before.ids if before else []
        while not self.done.is_set():
            try:
                _, client = await asyncio.get_running_loop().create_connection(
                    lambda: self._client(number, ids), "127.0.0.1", self.port
                )
            except OSError:
                await asyncio.sleep(0.1)
                continue
            return

    def _client(self, number: int, ids: list[int]) -> Client:
        client = Client(self, ids[-1] if ids else None)
        client.ids = ids
        self.number[id(client)] = number
        if number < len(self.clients):
            self.clients[number] = client
        else:
            self.clients.append(client)
        return client


async def main() -> None:
    order = json.loads(sys.stdin.readline())
    crowd = Crowd(order["clients"], order["silent"], order["port"], order["events"])
    mute = []
    for _ in range(crowd.silent):
        _, writer = await asyncio.open_connection("127.0.0.1", crowd.port)
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        mute.append(writer)
    for first in range(0, crowd.size, 100):
        await asyncio.gather(*(crowd.join(n) for n in range(first, min(first + 100, crowd.size))))
    await crowd.all_greeted.wait()
    print("all are listening", flush=True)
    await asyncio.wait_for(crowd.done.wait(), order["seconds"])
    delays = sorted(crowd.delays)
    different = {tuple(client.ids) for client in crowd.clients}
    print(
        json.dumps(
            {
                "different": len(different),
                "ids": list(min(different)),
                "p50": delays[len(delays) // 2],
                "p95": delays[int(len(delays) * 0.95)],
                "worst": delays[-1],
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    asyncio.run(main())
