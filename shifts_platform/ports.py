"""TCP ports of this machine: free ones, taken ones, and who answers on them."""

import random
import socket

from shifts_platform.errors import PlatformError

_PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections: none of these takes a free port before its server does."""
_TRIES = 100


def free_port() -> int:
    """A loopback port that no process listens on at this moment."""
    for port in (*random.SystemRandom().sample(_PORTS, _TRIES), 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PlatformError("no port of 127.0.0.1 is free")


def check_port_is_free(host: str, port: int, setting: str) -> None:
    """Checks that a server can listen on a port.

    Args:
        host: the address to listen on.
        port: its number.
        setting: the name of the setting that holds the number, for the message.

    Raises:
        PlatformError: it cannot.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PlatformError(
                f"port {port} of {host} is taken ({error.strerror}): set {setting} to another port"
            ) from None


def is_listening(host: str, port: int) -> bool:
    """Whether a process accepts connections on a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
