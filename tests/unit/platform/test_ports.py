"""Free and taken ports."""

import socket

import pytest

from shifts_platform.errors import PlatformError
from shifts_platform.ports import check_port_is_free, free_port, is_listening


def test_a_free_port_has_no_listener_and_no_outgoing_connection_takes_it() -> None:
    port = free_port()
    assert port < 32_768
    assert not is_listening("127.0.0.1", port)
    check_port_is_free("127.0.0.1", port, "SHIFTS_API_PORT")


def test_a_taken_port_is_an_error_with_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert is_listening("127.0.0.1", port)
        with pytest.raises(PlatformError, match=f"port {port} of 127.0.0.1 is taken .* set SHIFTS_API_PORT"):
            check_port_is_free("127.0.0.1", port, "SHIFTS_API_PORT")
