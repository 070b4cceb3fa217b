"""An HTTP server in front of the emulator: faults on demand, and what the emulator lacks of the real service.

gcp-storage-emulator 2026.7 ignores `ifGenerationMatch` and gives every listing in one page; both are done here.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

PAGE = 1000
Matches = Callable[["Request"], bool]


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    url: SplitResult
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.url.query).items()}

    @property
    def is_listing(self) -> bool:
        return self.method == "GET" and self.url.path.endswith("/o")

    @property
    def is_lookup(self) -> bool:
        """Of one object's metadata."""
        return self.method == "GET" and not self.is_listing and not self.is_download

    @property
    def is_download(self) -> bool:
        return self.method == "GET" and self.query.get("alt") == "media"

    @property
    def is_upload(self) -> bool:
        """Of bytes, into a begun upload."""
        return self.method == "PUT"

    @property
    def ends_upload(self) -> bool:
        return self.is_upload and not self.headers["content-range"].endswith("*")

    @property
    def range(self) -> tuple[int, int]:
        """First and last byte asked for."""
        first, _, last = self.headers["range"].removeprefix("bytes=").partition("-")
        return int(first), int(last)


@dataclass
class Reply:
    """What it is answered; status 0 is no answer at all."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """So many bytes of the body get through before the connection breaks."""


Fault = Callable[[Callable[[], Reply]], Reply]
"""Answers in place of what it may call."""


@dataclass
class Service:
    """Where the client is sent instead of the emulator."""

    emulator_port: int
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    outage: Reply | None = None
    """While set, the answer to every request."""
    _faults: list[tuple[Matches, Fault]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def refuse(self, matches: Matches, status: int = 503, *, times: int = 1) -> None:
        """The next matching requests are not passed on."""
        error = {"code": status, "message": f"refused with {status}"}
        headers = {"Content-Type": "application/json"}
        body = json.dumps({"error": error}).encode()
        self._faults += [(matches, lambda _: Reply(status, headers, body))] * times

    def forget_faults(self) -> None:
        """Every request is passed on again."""
        self._faults.clear()

    def break_off(self, matches: Matches, after: int, *, times: int = 1) -> None:
        """The answers of the next matching requests end after so many bytes."""
        self._faults += [(matches, lambda proceed: replace(proceed(), cut=after))] * times

    def hang_up(self, matches: Matches, *, times: int = 1) -> None:
        """The next matching requests are not passed on and never answered."""
        self._faults += [(matches, lambda _: Reply(0))] * times

    def keep_generation(self, key: str, generation: str) -> None:
        """The next listing of all versions also has this one, as in a versioned bucket. The client writes `True`."""

        def fault(proceed: Callable[[], Reply]) -> Reply:
            reply = proceed()
            listing = json.loads(reply.body)
            listing.setdefault("items", []).append({"name": key, "generation": generation, "size": "1"})
            return replace(reply, body=json.dumps(listing).encode())

        self._faults.append((lambda request: request.query.get("versions") == "True", fault))

    def delay(self, matches: Matches, seconds: float) -> None:
        """The next matching request comes over a slow line."""

        def fault(proceed: Callable[[], Reply]) -> Reply:
            time.sleep(seconds)
            return proceed()

        self._faults.append((matches, fault))

    def garble(self, matches: Matches) -> None:
        """The answer of the next matching request has a wrong first byte."""

        def fault(proceed: Callable[[], Reply]) -> Reply:
            reply = proceed()
            return replace(reply, body=bytes([reply.body[0] ^ 1]) + reply.body[1:])

        self._faults.append((matches, fault))

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.outage is not None:
            return self.outage
        for entry in self._faults:
            if entry[0](request):
                self._faults.remove(entry)
                return entry[1](lambda: self._pass_on(request))
        return self._pass_on(request)

    def _pass_on(self, request: Request) -> Reply:
        wanted = request.query.get("ifGenerationMatch")
        if wanted is not None:
            found = self._ask("GET", request.url.path.removeprefix("/download"))
            if found.status == 200 and json.loads(found.body)["generation"] != wanted:
                return Reply(412)
        reply = self._ask(request.method, request.url.geturl(), request.body, request.headers)
        if request.is_listing and reply.status == 200:
            reply.body = _page(json.loads(reply.body), request.query.get("pageToken", ""))
        return reply

    def _ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.emulator_port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            kept = {k: v for k, v in response.getheaders() if k.lower() not in _HOP_BY_HOP}
            return Reply(response.status, kept, response.read())
        finally:
            connection.close()


_HOP_BY_HOP = ("content-length", "connection", "date", "server")


def _page(listing: dict[str, Any], token: str) -> bytes:
    first = int(token or 0)
    items = listing["items"][first : first + PAGE]
    more = {"nextPageToken": str(first + PAGE)} if len(listing["items"]) > first + PAGE else {}
    return json.dumps({"items": items, **more}).encode()


@contextmanager
def service(emulator_port: int, port: int = 0) -> Iterator[Service]:
    """The server, in threads of this process, on a free port unless one is given."""
    front = Service(emulator_port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {k.lower(): v for k, v in self.headers.items()}
            reply = front.answer(Request(self.command, urlsplit(self.path), headers, body))
            self.close_connection = reply.status == 0 or reply.cut is not None
            if reply.status == 0:
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        front.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield front
        finally:
            server.shutdown()
            thread.join()
