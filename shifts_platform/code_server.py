"""Dagster's code server, which ends together with its run workers when the platform is killed.

On a normal stop a code server waits for its workers, and a worker that has lost its database may take long.
"""

import os
import signal

from dagster._cli import main as dagster

from shifts_platform.parent_death import END_OF_GROUP


def main() -> None:
    """Runs `python -m shifts_platform.code_server api grpc ARGUMENTS` as the leader of a process group."""
    signal.signal(END_OF_GROUP, lambda *_: os.killpg(0, signal.SIGKILL))
    dagster()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
