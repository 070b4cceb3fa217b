"""A run of the pipeline in a process of its own, which halts before a call of a function until it is killed."""

import importlib
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.forks import FORKS
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service

_LONGEST_S = 120.0


class HaltingRun:
    """A run that halts at the second call: what came before it is done, and something remains to be done.

    Args:
        service: of whose databases and landing folder the run is.
        job: its name.
        tags: of a sensor's request.
        point: module and name of the function, separated by a colon.
        settings: environment variables of the process.
    """

    def __init__(
        self,
        service: Service,
        job: str,
        tags: dict[str, str],
        point: str,
        settings: dict[str, str] | None = None,
    ) -> None:
        self._halts, theirs = FORKS.Pipe()
        urls = service.database_url, service.dagster_database_url, service.landing, service.log
        self._process = FORKS.Process(target=_work, args=(*urls, job, tags, point, settings or {}, theirs))
        self._process.start()
        theirs.close()
        assert self._halts.poll(_LONGEST_S), f"the run does not reach {point}"
        self._halts.recv()

    def kill(self) -> None:
        """Kills the process and waits until it has ended."""
        os.kill(self._process.pid or 0, signal.SIGKILL)
        self._process.join()

    def go_on(self) -> None:
        """Lets it go on, and waits until it has ended, in whatever way."""
        self._halts.send(None)
        self._process.join(_LONGEST_S)
        assert self._process.exitcode is not None


def _work(
    database_url: str,
    dagster_database_url: str,
    landing: Path,
    log: Path,
    job: str,
    tags: dict[str, str],
    point: str,
    settings: dict[str, str],
    halts: Connection,
) -> None:
    os.environ.update(settings)
    module, _, name = point.partition(":")
    owner = importlib.import_module(module)
    function = getattr(owner, name)
    calls = iter(range(1_000_000))

    def halt(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 1:
            halts.send(None)
            halts.recv()
        return function(*arguments, **named)

    setattr(owner, name, halt)
    with pipeline_of(Service(database_url, dagster_database_url, landing, log)) as pipeline:
        pipeline.run(job, tags)
