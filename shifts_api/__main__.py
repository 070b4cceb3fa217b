"""`python -m shifts_api`: the service on its own."""

import gc
import resource
import socket
import sys

import uvicorn
from pydantic import ValidationError

from shifts_api.app import create_app
from shifts_api.settings import ApiSettings
from shifts_api.web.header_timeout import Connection
from shifts_api.web.logs import configure_logs

GRACE_S = 4
UNREAD_FOR_MS = 30_000
"""A connection whose client takes nothing for so long is closed by the kernel."""


def main() -> None:
    """Serves until told to stop; a bad setting is one line and exit code 1."""
    try:
        settings = ApiSettings()
    except ValidationError as error:
        problems = (
            f"SHIFTS_{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        sys.exit("; ".join(problems))
    configure_logs()
    _allow_many_connections()
    app = create_app(settings)
    _collect_rarely()
    config = uvicorn.Config(
        app,
        http=Connection,
        host=settings.api_host,
        port=settings.api_port,
        timeout_graceful_shutdown=GRACE_S,
        # Behind a proxy the client is the proxy: nobody gets local rights by a header.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        ws_max_size=64 * 1024,
    )
    listener = config.bind_socket()
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_FOR_MS)
    uvicorn.Server(config).run(sockets=[listener])


def _collect_rarely() -> None:
    """Keeps full collections rare: one walks what thousands of clients hold, and all of them wait for half a second.

    What requests leave behind dies young and is found by the short ones.
    """
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)


def _allow_many_connections() -> None:
    """Every client of the feed is an open file, and the usual soft limit is 1,024 of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
