"""The embedded server: one PostgreSQL cluster in one folder, created, started and stopped."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import psycopg

from shifts_platform.errors import PlatformError
from shifts_platform.parent_death import child_setup
from shifts_platform.ports import free_port
from shifts_platform.postgres.account import Account, path_digest
from shifts_platform.postgres.programs import find_programs, preloaded_libraries
from shifts_platform.postgres.sizing import server_settings

SUPERUSER = "shifts"
ORPHAN_STOP_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 8.0
_LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True)
class _Identity:
    """What a server keeps from start to start."""

    port: int
    password: str


class EmbeddedPostgres:
    """One server in one folder: `prepare` creates it, `start` runs it as a child process, `stop` ends it."""

    def __init__(self, folder: Path, *, extra_settings: Mapping[str, str] | None = None) -> None:
        """Chooses the programs, the account, the port and the password; keeps the last two in the folder.

        Args:
            folder: for all files of the server.
            extra_settings: for `postgresql.conf`, beside those for this machine.

        Raises:
            PlatformError: there is no PostgreSQL with PostGIS, or no account or folder for it.
        """
        self._programs = find_programs()
        self._account = Account()
        self._folder = self._account.make_folder(folder.absolute())
        self._data = self._folder / "data"
        self._extra = dict(extra_settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._identity = self._load_identity()

    def url(self, database: str) -> str:
        """The URL of one of its databases, with the password."""
        return (
            f"postgresql://{SUPERUSER}:{self._identity.password}@127.0.0.1:{self._identity.port}/{database}"
        )

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._folder

    def prepare(self) -> None:
        """Creates the cluster unless it exists, and writes its settings for this machine.

        Raises:
            PlatformError: `initdb` fails.
        """
        if not has_cluster(self._folder):
            self._create_cluster()
        settings = {
            **server_settings(psutil.virtual_memory().total, psutil.cpu_count() or 1),
            "port": str(self._identity.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._make_socket_folder()),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "shared_preload_libraries": ",".join(preloaded_libraries(self._programs)),
            **self._extra,
        }
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        (self._data / "shifts.conf").write_text("".join(lines))
        self._account.own(self._data / "shifts.conf")

    def spawn(self, log: Path) -> subprocess.Popen[bytes]:
        """Starts the prepared server without waiting until it accepts connections."""
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                # SIGINT is a fast shutdown.
                preexec_fn=child_setup(signal.SIGINT),  # noqa: PLW1509  no other thread holds a lock that it needs
                **self._account.process_options,
            )
        return self._process

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Starts the prepared server and waits until it accepts connections, also after crash recovery.

        A server that a killed platform left on the folder is stopped first.

        Raises:
            PlatformError: it does not start; the message has the end of its log.
        """
        if (orphan := self.find_orphan()) is not None:
            _stop_orphan(orphan)
        process = self.spawn(log)
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if process.poll() is not None:
                    last = log.read_text(errors="replace").strip().splitlines()[-3:]
                    raise PlatformError(
                        "the embedded PostgreSQL does not start: " + " / ".join(last)
                    ) from None
                time.sleep(0.05)
            else:
                return process

    def find_orphan(self) -> psutil.Process | None:
        """The server that a killed platform left running on this folder."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n")[0])
            process = psutil.Process(pid)
            # Another process may have the process id by now; a server works in its data folder.
            return process if Path(process.cwd()) == self._data else None
        except (OSError, ValueError, psutil.Error):
            return None

    def stop(self) -> None:
        """Ends the server with a fast shutdown: connections are closed, committed data stays."""
        if self._process is None or self._process.poll() is not None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            self._process.send_signal(number)
            try:
                self._process.wait(timeout=_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                continue
            return

    def _create_cluster(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=self._folder, prefix=".password") as password:
            password.write(self._identity.password)
            password.flush()
            self._account.own(Path(password.name))
            locale = "C.UTF-8" if sys.platform == "linux" else "C"
            self._account.run(
                [
                    *(self._programs / "initdb", "-D", self._data, "-U", SUPERUSER, "-E", "UTF8"),
                    *(f"--locale={locale}", "-A", "scram-sha-256", "--pwfile", password.name),
                ]
            )
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude 'shifts.conf'\n")

    def _load_identity(self) -> _Identity:
        path = self._folder / "identity.json"
        if path.exists():
            return _Identity(**json.loads(path.read_text()))
        identity = _Identity(free_port(), secrets.token_urlsafe(24))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(identity), file)
        return identity

    def _make_socket_folder(self) -> Path:
        """Beside the data, unless the path of the socket is longer than a system allows (107 bytes on Linux)."""
        folder = self._folder / "socket"
        if len(str(folder / ".s.PGSQL.65535.lock")) > _LONGEST_SOCKET_PATH:
            folder = Path(tempfile.gettempdir()) / f"shifts-{path_digest(self._folder)}"
        folder.mkdir(exist_ok=True)
        self._account.own(folder)
        return folder


def has_cluster(folder: Path) -> bool:
    """Whether a server was created in a folder."""
    return (folder / "data/PG_VERSION").exists()


def _stop_orphan(server: psutil.Process) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        with suppress(psutil.NoSuchProcess):
            server.send_signal(number)
        with suppress(psutil.TimeoutExpired):
            server.wait(ORPHAN_STOP_TIMEOUT_S)
            return
    raise PlatformError(f"the PostgreSQL server of a killed platform does not stop: process {server.pid}")
