"""Many listeners of the feed in one process: `python -m bench.lean_listeners`, with options as JSON on its input.

Listeners that receive the same bytes share the parsing, so that receiving costs less than serving. The process
records how many events each listener received and how long after their publication.
"""

import gc
import json
import re
import resource
import select
import socket
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from functools import cache

_TIME = re.compile(rb'"time": "([^"]+)"')
_OPEN_FILES = 65_536
_REQUEST = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@cache
def _published(data: bytes) -> tuple[float, ...]:
    """Times of the events in a piece of a stream; events that are split between pieces count in one of them."""
    return tuple(datetime.fromisoformat(moment.decode()).timestamp() for moment in _TIME.findall(data))


class Listeners:
    """Connections that receive the feed.

    Args:
        port: of the service.
        count: of listeners.
    """

    def __init__(self, port: int, count: int) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(_REQUEST)
            connection.setblocking(False)
            self._sockets[connection.fileno()] = connection
            self._poll.register(connection.fileno(), select.EPOLLIN)
        self.received = dict.fromkeys(self._sockets, 0)
        self.delays: list[float] = []

    def wait_until_connected(self) -> None:
        """Returns when every stream has begun."""
        waiting = set(self._sockets)
        while waiting:
            for number, data in self._read():
                if b": connected" in data:
                    waiting.discard(number)

    def receive(self, events: int, seconds: float) -> None:
        """Returns when every listener has so many events, or after some seconds."""
        missing = events * len(self._sockets)
        deadline = time.time() + seconds
        while missing > 0 and time.time() < deadline:
            for number, data in self._read():
                now = time.time()
                published = _published(data)
                self.received[number] += len(published)
                missing -= len(published)
                self.delays += [now - moment for moment in published]

    def _read(self) -> Iterator[tuple[int, bytes]]:
        for number, _ in self._poll.poll(1):
            data = self._sockets[number].recv(262_144)
            if not data:
                raise ConnectionError("the service closed a stream")
            yield number, data


def main() -> None:
    """Connects, says so, receives and prints the record."""
    options = json.loads(sys.stdin.readline())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _OPEN_FILES), hard))
    listeners = Listeners(options["port"], options["listeners"])
    listeners.wait_until_connected()
    # Its own pauses would be measured as the service's.
    gc.disable()
    print("connected", flush=True)
    begun = time.process_time()
    listeners.receive(options["events"], options["seconds"])
    delays = sorted(listeners.delays)
    record = {
        "complete": sum(count == options["events"] for count in listeners.received.values()),
        "p50_s": delays[len(delays) // 2],
        "p95_s": delays[int(len(delays) * 0.95)],
        "worst_s": delays[-1],
        "cpu_s": time.process_time() - begun,
    }
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
