"""Dagster's code server: imported while the databases are migrated, and run when they are.

Before that it would create Dagster's tables beside the migration, and one of the two would fail. It ends together
with its run workers when the platform is killed: on a normal stop a code server waits for its workers, and a worker
that has lost its database may take long.
"""

import os
import signal
import time
from importlib import import_module

from dagster._cli import main as dagster

from shifts_platform.child_processes import DEFINITIONS
from shifts_platform.migrations.databases import find_pending
from shifts_platform.parent_death import END_OF_GROUP

WAITING = "waiting until the databases are migrated"
_CHECK_INTERVAL_S = 0.2


def main() -> None:
    """Runs `python -m shifts_platform.code_server api grpc ARGUMENTS` as the leader of a process group."""
    signal.signal(END_OF_GROUP, lambda *_: os.killpg(0, signal.SIGKILL))
    import_module(DEFINITIONS)
    if find_pending(os.environ):
        print(WAITING, flush=True)
        while find_pending(os.environ):
            time.sleep(_CHECK_INTERVAL_S)
    dagster()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
