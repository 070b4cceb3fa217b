"""The service as a fork of a process that has imported it: real, and without the seconds of its imports."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.forks import FORKS


class ForkedService:
    """What `python -m shifts_api` does in a process of its own, with the methods of `Popen` that tests use."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._process = FORKS.Process(target=_serve, args=(dict(environment), log), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, negative after a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Waits for its end; returns the exit code."""
        self._process.join(timeout)
        code = self._process.exitcode
        assert code is not None, f"the service still runs after {timeout:g} s"
        return code

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks it to stop, as the platform does."""
        self.send_signal(signal.SIGTERM)


def _serve(environment: dict[str, str], log: Path) -> None:
    from shifts_api.__main__ import main

    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 2)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    main()
