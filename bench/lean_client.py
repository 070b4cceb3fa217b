"""HTTP clients that cost little of the processors that they share with the service: raw sockets, no parsing."""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_OK = b"HTTP/1.1 200 "


@dataclass
class _Client:
    """One persistent connection with one request at a time."""

    connection: socket.socket
    next_request: int
    begun: float = 0.0
    received: bytes = b""


def ask_together(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    """Seconds of each answer to clients that ask one request after another at the same time.

    Args:
        port: of the service on this machine.
        requests: complete HTTP requests; each client sends every `clients`-th of them, in turns.
        clients: number of connections.
        seconds: duration.

    Raises:
        RuntimeError: an answer has another status than 200, or a connection ends.
    """
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        for number in range(clients):
            client = _Client(socket.create_connection(("127.0.0.1", port)), number)
            client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client.connection, selectors.EVENT_READ, client)
            _send(client, requests)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or not times:
            for key, _ in selector.select(1):
                client = key.data
                client.received += client.connection.recv(65_536)
                if _is_complete(client.received):
                    times.append(time.perf_counter() - client.begun)
                    client.next_request += clients
                    _send(client, requests)
        for key in list(selector.get_map().values()):
            key.data.connection.close()
    return times


def _send(client: _Client, requests: Sequence[bytes]) -> None:
    client.received = b""
    client.begun = time.perf_counter()
    client.connection.sendall(requests[client.next_request % len(requests)])


def _is_complete(received: bytes) -> bool:
    if received and not received.startswith(_OK):
        raise RuntimeError(received[:300].decode(errors="replace"))
    if not received:
        raise RuntimeError("the service closed a connection")
    head, found, body = received.partition(_HEAD_END)
    if not found:
        return False
    length = head.lower().partition(_LENGTH)[2].split(b"\r\n", 1)[0]
    return len(body) == int(length)
