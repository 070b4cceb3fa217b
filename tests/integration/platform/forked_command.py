"""A command of `shifts` as a fork of a process that has imported it: real, and without the seconds of its imports."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.forks import FORKS


def fork_shifts(
    environment: Mapping[str, str], *arguments: str, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Runs a command until it ends."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = FORKS.Process(target=_run, args=(dict(environment), arguments, out, err))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, timeout_s, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(arguments, process.exitcode, out.read_text(), err.read_text())


def _run(environment: dict[str, str], arguments: tuple[str, ...], out: Path, err: Path) -> None:
    from shifts_platform.cli import main

    os.environ.clear()
    os.environ.update(environment)
    for number, name, file in ((1, "stdout", out), (2, "stderr", err)):
        with file.open("wb") as output:
            os.dup2(output.fileno(), number)
        setattr(sys, name, os.fdopen(number, "w", closefd=False))
    sys.argv[:] = ["shifts", *arguments]
    main()
