"""Dagster's webserver or daemon, imported while the code server is still starting and run when it answers.

Without the wait they would take the code location for broken and look again much later. The webserver is the one
behind the request guard.
"""

import os
import socket
import sys
import time
from importlib import import_module

_MODULES = {"webserver": "shifts_platform.dagster_webserver", "daemon": "dagster._daemon.cli"}
_LOOK_EVERY_S = 0.1


def main() -> None:
    """Runs `python -m shifts_platform.with_code_server webserver|daemon ARGUMENTS`."""
    name, *arguments = sys.argv[1:]
    module = import_module(_MODULES[name])
    address = os.environ["SHIFTS_CODE_SERVER_HOST"], int(os.environ["SHIFTS_CODE_SERVER_PORT"])
    while not _answers(address):
        time.sleep(_LOOK_EVERY_S)
    sys.argv = [name, *arguments]
    module.main()


def _answers(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


if __name__ == "__main__":
    main()
