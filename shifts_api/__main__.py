"""`python -m shifts_api`: serves the API."""

import gc
import resource
import socket
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from shifts_api.access.authentication import NO_KEY
from shifts_api.access.first_look import keys_exist
from shifts_api.app import create_app
from shifts_api.settings import ApiSettings
from shifts_api.web.http_protocol import LimitedProtocol
from shifts_api.web.logs import configure_logs

GRACEFUL_SHUTDOWN_S = 4
UNACKNOWLEDGED_MS = 30_000
"""The kernel closes a connection whose client acknowledges nothing for this long."""


def main() -> None:
    """Serves until a signal; an invalid setting ends the process with one line and exit code 1."""
    try:
        settings = ApiSettings()
    except ValidationError as error:
        problems = (
            f"SHIFTS_{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        sys.exit("; ".join(problems))
    if not settings.may_be_open and settings.api_key is None and not keys_exist(settings):
        sys.exit(NO_KEY)
    configure_logs()
    _raise_open_files_limit()
    app = create_app(settings)
    _make_full_collections_rare()
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        host=settings.api_host,
        port=settings.api_port,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        # Behind a proxy the client is the proxy: a header must not grant local rights.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        ws_max_size=64 * 1024,
    )
    listener = config.bind_socket()
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    _Server(config, app).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends the endless streams first when it stops; uvicorn waits for all responses."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops serving."""
        self._app.state.feed.shutdown.set()
        await super().shutdown(sockets)


def _make_full_collections_rare() -> None:
    """A full garbage collection with thousands of clients stops all of them for half a second."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)


def _raise_open_files_limit() -> None:
    """Every client of the feed is an open file, and the usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
