"""The feed client against a small server that breaks the connection."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from shifts_platform.errors import PlatformError
from shifts_platform.feed_client import FeedEvent, follow_feed

ANSWERS = (
    b': keep-alive\n\nid: 3\nretry: 1000\n\nid: 4\nevent: file.loaded\ndata: {"message":\ndata: "3 trips"}\n\n'
    b'id: 5\nevent: run.failed\ndata: {"mess',
    b'id: 5\nevent: run.failed\ndata: {"message": "gone"}\n\n',
)
"""One a connection; the first one ends within an event."""


class Feed(ThreadingHTTPServer):
    """Answers one connection after the other and records what each asks for."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.resumed_after: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Feed

    def do_GET(self) -> None:
        self.server.resumed_after.append(self.headers["Last-Event-ID"])
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(ANSWERS[len(self.server.resumed_after) - 1])

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@pytest.fixture
def feed() -> Iterator[Feed]:
    with Feed() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_broken_connection_is_resumed_after_the_last_whole_event(feed: Feed) -> None:
    assert list(islice(follow_feed(feed.url, "file.loaded,run.failed"), 3)) == [
        None,
        FeedEvent("4", "file.loaded", {"message": "3 trips"}),
        FeedEvent("5", "run.failed", {"message": "gone"}),
    ]
    assert feed.resumed_after == [None, "4"]


def test_a_refused_request_is_an_error(feed: Feed) -> None:
    feed.status = 400
    with pytest.raises(PlatformError, match="400 from the feed"):
        next(follow_feed(feed.url, "file.loaded"))


def test_a_missing_key_is_an_error_that_names_the_setting(feed: Feed) -> None:
    feed.status = 401
    with pytest.raises(PlatformError, match="set SHIFTS_API_KEY"):
        next(follow_feed(feed.url, "file.loaded"))


def test_no_answer_is_an_error(feed: Feed) -> None:
    url = feed.url
    feed.socket.close()
    with pytest.raises(PlatformError, match="no answer from"):
        next(follow_feed(url, "file.loaded"))
