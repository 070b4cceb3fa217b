"""Dagster's webserver or daemon: imported while the code server starts, and run when it accepts connections.

Without the wait they would mark the code location as failed and retry much later. The webserver is wrapped by the
request guard (`dagster_webserver`).
"""

import os
import sys
import time
from importlib import import_module

from shifts_platform.ports import is_listening

_MODULES = {"webserver": "shifts_platform.dagster_webserver", "daemon": "dagster._daemon.cli"}
_CHECK_INTERVAL_S = 0.1


def main() -> None:
    """Runs `python -m shifts_platform.with_code_server webserver|daemon ARGUMENTS`."""
    name, *arguments = sys.argv[1:]
    module = import_module(_MODULES[name])
    host, port = os.environ["SHIFTS_CODE_SERVER_HOST"], int(os.environ["SHIFTS_CODE_SERVER_PORT"])
    while not is_listening(host, port):
        time.sleep(_CHECK_INTERVAL_S)
    sys.argv = [name, *arguments]
    module.main()


if __name__ == "__main__":
    main()
