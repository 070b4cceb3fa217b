"""The whole platform of one machine: database, migrations, code server, webserver, daemon and web service."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO

import httpx
import psycopg
from sqlalchemy import make_url

from shifts_core.database_url import parse_database_url
from shifts_platform.embedded_postgres import EmbeddedPostgres
from shifts_platform.errors import PlatformError
from shifts_platform.migrate import (
    ensure_database,
    is_noted,
    migrate_dagster_database,
    migrate_trips_database,
    note,
)
from shifts_platform.parent_death import END_OF_GROUP
from shifts_platform.project_files import project_file
from shifts_platform.settings import PlatformSettings
from shifts_platform.supervisor import ChildSpec, Supervisor


class Platform:
    """Starts in steps that the caller can show: `steps()`, then `serve()`; `close()` ends everything."""

    def __init__(self, settings: PlatformSettings, notice: Callable[[str], None]) -> None:
        self._settings = settings
        self._folder = settings.data_folder
        self._logs = self._folder / "logs"
        self.server: EmbeddedPostgres | None = None
        """The embedded server, once it runs."""
        self._supervisor = Supervisor(self._logs, notice)
        self._lock: IO[str] | None = None

    def steps(self) -> Iterator[str]:
        """Starts everything; yields the name of each step before it begins.

        Raises:
            PlatformError: something is in the way; what had started is still to be closed.
        """
        yield "looking at the data folder and the ports"
        self._lock = _lock(self._folder)
        self._logs.mkdir(exist_ok=True)
        for port, setting in (
            (self._settings.api_port, "SHIFTS_API_PORT"),
            (self._settings.dagster_port, "SHIFTS_DAGSTER_PORT"),
        ):
            _must_be_free(self._settings.api_host if "API" in setting else "127.0.0.1", port, setting)
        if self._settings.database_url is None:
            yield "starting the embedded PostGIS"
            self.server = EmbeddedPostgres(self._folder / "postgres")
            if (earlier := self.server.find_earlier()) is not None:
                yield f"stopping the PostgreSQL server of an earlier start (process {earlier.pid})"
            self.server.prepare()
            log = self._logs / "postgres.log"
            process = self.server.start(log)
            self._supervisor.watch("database", process, log, partial(self.server.spawn, log))
        environment = environment_of(self._settings, self.server) | {
            "SHIFTS_CODE_SERVER_HOST": "127.0.0.1",
            "SHIFTS_CODE_SERVER_PORT": str(free_port()),
        }
        code_server, *others = self._children(environment)
        yield "migrating the databases"
        # Most of what these processes do at first is importing, which needs no tables.
        self._supervisor.spawn([code_server])
        migrate_all(environment, self._folder)
        if not self._settings.landing.startswith("gs://"):
            Path(self._settings.landing.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        yield "starting Dagster and the web service"
        self._supervisor.spawn(others)
        self._supervisor.wait()

    def serve(self) -> None:
        """Keeps everything running until `request_stop`, whatever exits on the way."""
        self._supervisor.run()

    def request_stop(self) -> None:
        """Ends `serve`; safe in a signal handler."""
        self._supervisor.request_stop()

    def close(self) -> None:
        """Ends every process, the database last."""
        self._supervisor.stop()
        if self.server is not None:
            self.server.stop()
        if self._lock is not None:
            self._lock.close()

    def _children(self, environment: Mapping[str, str]) -> list[ChildSpec]:
        workspace = str(project_file("workspace.yaml"))
        code_port = int(environment["SHIFTS_CODE_SERVER_PORT"])
        return [
            ChildSpec(
                "code server",
                [
                    sys.executable,
                    "-m",
                    "shifts_platform.code_server",
                    "api",
                    "grpc",
                    "-m",
                    "shifts_pipeline.definitions",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(code_port),
                ],
                environment,
                lambda: _listens("127.0.0.1", code_port),
                END_OF_GROUP,
            ),
            ChildSpec(
                "webserver",
                [
                    *(sys.executable, "-m", "shifts_platform.with_code_server", "webserver", "-w", workspace),
                    *("-h", "127.0.0.1", "-p", str(self._settings.dagster_port)),
                ],
                environment,
                lambda: _answers(f"{self._settings.dagster_url}/server_info"),
            ),
            ChildSpec(
                "daemon",
                [sys.executable, "-m", "shifts_platform.with_code_server", "daemon", "run", "-w", workspace],
                environment,
                lambda: True,
            ),
            ChildSpec(
                "api",
                [sys.executable, "-m", "shifts_api"],
                environment,
                lambda: _answers(f"{self._settings.api_url}/health"),
            ),
        ]


def environment_of(settings: PlatformSettings, server: EmbeddedPostgres | None) -> dict[str, str]:
    """Every setting in force, as the children get it.

    Raises:
        PlatformError: neither an embedded server nor `SHIFTS_DATABASE_URL` is there.
    """
    if settings.database_url is not None:
        trips = parse_database_url(settings.database_url)
    elif server is not None:
        trips = make_url(server.url("shifts"))
    else:
        raise PlatformError("no database: set SHIFTS_DATABASE_URL or start the platform with `shifts up`")
    if settings.dagster_database_url is not None:
        dagster = parse_database_url(settings.dagster_database_url)
    else:
        dagster = trips.set(database=f"{trips.database}_dagster")
    return {
        "SHIFTS_DATABASE_URL": trips.set(drivername="postgresql").render_as_string(hide_password=False),
        # Dagster needs its driver written out.
        "SHIFTS_DAGSTER_DATABASE_URL": dagster.set(drivername="postgresql+psycopg2").render_as_string(
            hide_password=False
        ),
        "SHIFTS_LANDING_URL": settings.landing,
        "SHIFTS_DATA_DIR": str(settings.data_folder),
        "SHIFTS_API_HOST": settings.api_host,
        "SHIFTS_API_PORT": str(settings.api_port),
        "SHIFTS_DAGSTER_PORT": str(settings.dagster_port),
        **({"SHIFTS_API_KEY": settings.api_key} if settings.api_key else {}),
        "DAGSTER_HOME": str(settings.data_folder / "dagster"),
        "PYTHONUNBUFFERED": "1",
    }


def migrate_all(environment: Mapping[str, str], folder: Path) -> None:
    """Brings both databases to this version, Dagster's own tables included.

    Raises:
        PlatformError: a server is not there, too old, or refuses.
    """
    trips = environment["SHIFTS_DATABASE_URL"]
    dagster = make_url(environment["SHIFTS_DAGSTER_DATABASE_URL"]).set(drivername="postgresql")
    dagster_url = dagster.render_as_string(hide_password=False)
    home = folder / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(project_file("dagster.yaml"), home / "dagster.yaml")
    ensure_database(trips)
    ensure_database(dagster_url)
    migrate_trips_database(trips)
    tables = f"dagster {version('dagster')}"
    if not is_noted(dagster_url, tables):
        done = subprocess.run(
            [sys.executable, "-m", "dagster", "instance", "migrate"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise PlatformError(f"Dagster's tables cannot be made: {reason}")
        note(dagster_url, tables)
    migrate_dagster_database(dagster_url)


@contextmanager
def embedded_server(settings: PlatformSettings) -> Iterator[EmbeddedPostgres | None]:
    """The embedded server for a short task: the running one, or one of our own while in the block.

    Yields None when `SHIFTS_DATABASE_URL` names another.
    """
    if settings.database_url is not None:
        yield None
        return
    server = EmbeddedPostgres(settings.data_folder / "postgres")
    try:
        lock = _lock(settings.data_folder)
    except PlatformError:
        yield server
        return
    with lock:
        (settings.data_folder / "logs").mkdir(exist_ok=True)
        server.prepare()
        server.start(settings.data_folder / "logs/postgres.log")
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """While in the block, Ctrl-C, SIGTERM and a closed terminal call `stop`.

    SIGINT does so in the background of a shell, too, which ignores it there; SIGHUP does not under `nohup`.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop()) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _lock(folder: Path) -> IO[str]:
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise PlatformError(f"a platform is already running on {folder}: see `shifts status`") from None
    return file


def _must_be_free(host: str, port: int, setting: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PlatformError(
                f"port {port} of {host} is taken ({error.strerror}): set {setting} to another one"
            ) from None


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def database_answers(url: str) -> bool:
    """Whether the database can be reached now."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True
