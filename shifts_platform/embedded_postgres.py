"""The platform's own PostgreSQL server with PostGIS: found, created, started and stopped."""

import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from shifts_platform.errors import PlatformError
from shifts_platform.parent_death import child_setup
from shifts_platform.server_sizing import server_settings

SUPERUSER = "shifts"
OUTSIDE_HOMES = Path("/var/lib/shifts")
"""Where the server's files go when its user cannot enter the data folder, as in a checkout below /root."""
_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
EARLIER_STOP_TIMEOUT_S = 30.0
_NOT_FOUND = (
    "no PostgreSQL server (14 or later) with PostGIS on this machine: install one (Debian, Ubuntu: "
    "apt-get install postgresql-postgis; macOS: brew install postgis), or run `docker compose up`, "
    "or give an existing one as SHIFTS_DATABASE_URL"
)


def find_server() -> Path:
    """The folder of the newest PostgreSQL's programs that has PostGIS beside it.

    Raises:
        PlatformError: there is none.
    """
    folders = {path for pattern in _PLACES for path in Path("/").glob(pattern.removeprefix("/"))}
    if (on_path := shutil.which("postgres")) is not None:
        folders.add(Path(on_path).resolve().parent)
    found = [
        (version, folder) for folder in folders if (version := _version_with_postgis(folder)) is not None
    ]
    if not found:
        raise PlatformError(_NOT_FOUND)
    return max(found)[1]


def _version_with_postgis(folder: Path) -> int | None:
    if not (folder / "initdb").exists() or not (folder / "pg_config").exists():
        return None
    said = subprocess.run(
        [folder / "pg_config", "--sharedir", "--version"], capture_output=True, text=True, check=False
    ).stdout.split("\n")
    if len(said) < 2 or not (Path(said[0]) / "extension/postgis.control").exists():
        return None
    major = int("".join(char for char in said[1].split()[1].split(".")[0] if char.isdigit()))
    return major if major >= 14 else None


def _libraries(programs: Path) -> list[str]:
    """The libraries that our databases use, to be loaded once by the server and inherited by its sessions.

    A package upgrade replaces them on disk under the running server. Sessions that loaded them then would get code of
    another version than their own: `undefined symbol`.
    """
    share = subprocess.run([programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=True)
    path = Path(share.stdout.strip(), "extension/postgis.control")
    control = path.read_text() if path.exists() else ""
    postgis = re.search(r"^module_pathname\s*=\s*'\$libdir/([^']+)'", control, re.MULTILINE)
    return ["plpgsql", *([postgis[1]] if postgis else [])]


@dataclass(frozen=True)
class _Identity:
    """What a server keeps from start to start."""

    port: int
    password: str


class EmbeddedPostgres:
    """One server in one folder. `prepare` makes it, `start` runs it as a child, `stop` ends it."""

    def __init__(self, folder: Path, *, extra_settings: Mapping[str, str] | None = None) -> None:
        self._programs = find_server()
        self._user = _unprivileged_user()
        self._folder = _reachable(folder.absolute(), self._user)
        self._data = self._folder / "data"
        self._extra = dict(extra_settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._identity = self._load_identity()

    def url(self, database: str) -> str:
        """The address of one of its databases, password included."""
        return (
            f"postgresql://{SUPERUSER}:{self._identity.password}@127.0.0.1:{self._identity.port}/{database}"
        )

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._folder

    def prepare(self) -> None:
        """Creates the cluster if there is none and writes its settings for this machine."""
        if not (self._data / "PG_VERSION").exists():
            shutil.rmtree(self._data, ignore_errors=True)
            with tempfile.NamedTemporaryFile("w", dir=self._folder, prefix=".password") as password:
                password.write(self._identity.password)
                password.flush()
                self._own(Path(password.name))
                self._run_as_user(
                    [
                        *(self._programs / "initdb", "-D", self._data, "-U", SUPERUSER, "-E", "UTF8"),
                        *(
                            "--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C",
                            "-A",
                            "scram-sha-256",
                        ),
                        *("--pwfile", password.name),
                    ]
                )
            with (self._data / "postgresql.conf").open("a") as configuration:
                configuration.write("\ninclude 'shifts.conf'\n")
        settings = {
            **server_settings(psutil.virtual_memory().total, psutil.cpu_count() or 1),
            "port": str(self._identity.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._socket_folder()),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "shared_preload_libraries": ",".join(_libraries(self._programs)),
            **self._extra,
        }
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        (self._data / "shifts.conf").write_text("".join(lines))
        self._own(self._data / "shifts.conf")

    def spawn(self, log: Path) -> subprocess.Popen[bytes]:
        """Starts the prepared server and goes on; it answers when it has recovered."""
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                user=self._uid,
                group=self._gid,
                extra_groups=None if self._user is None else [],
                # A fast shutdown.
                preexec_fn=child_setup(signal.SIGINT),  # noqa: PLW1509  no other thread holds a lock that it needs
            )
        return self._process

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Starts the prepared server and waits until it answers, crash recovery included.

        A server of an earlier start that still runs is ended first.

        Raises:
            PlatformError: it does not start; the message has the end of its log.
        """
        if (earlier := self.find_earlier()) is not None:
            _end(earlier)
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

    def find_earlier(self) -> psutil.Process | None:
        """The server that an earlier start left on this data folder: its platform was killed."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n")[0])
            process = psutil.Process(pid)
            # The process id may be somebody else's by now; a server works in its data folder.
            return process if Path(process.cwd()) == self._data else None
        except (OSError, ValueError, psutil.Error):
            return None

    def stop(self) -> None:
        """Ends the server with a fast shutdown; connections are cut, nothing is lost."""
        if self._process is None or self._process.poll() is not None:
            return
        for ending in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            self._process.send_signal(ending)
            try:
                self._process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                continue
            return

    def _load_identity(self) -> _Identity:
        path = self._folder / "identity.json"
        if path.exists():
            return _Identity(**json.loads(path.read_text()))
        identity = _Identity(_free_port(), secrets.token_urlsafe(24))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"port": identity.port, "password": identity.password}, file)
        return identity

    def _socket_folder(self) -> Path:
        """Beside the data, unless the socket's path would be longer than the 107 bytes a system allows."""
        folder = self._folder / "socket"
        if len(str(folder / ".s.PGSQL.65535.lock")) > 100:
            folder = Path(tempfile.gettempdir()) / f"shifts-{_digest(self._folder)}"
        folder.mkdir(exist_ok=True)
        self._own(folder)
        return folder

    def _own(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    @property
    def _uid(self) -> int | None:
        return self._user and self._user.pw_uid

    @property
    def _gid(self) -> int | None:
        return self._user and self._user.pw_gid

    def _run_as_user(self, command: list[str | Path]) -> None:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self._uid,
            group=self._gid,
            extra_groups=None if self._user is None else [],
        )
        if done.returncode != 0:
            last = " / ".join(done.stderr.strip().splitlines()[-2:])
            raise PlatformError(f"{Path(command[0]).name} failed: {last}")


def _end(server: psutil.Process) -> None:
    """Ends a server that is not our child, or waits for its end.

    Raises:
        PlatformError: it does not end.
    """
    for ending in (signal.SIGINT, signal.SIGQUIT):
        with suppress(psutil.NoSuchProcess):
            server.send_signal(ending)
        with suppress(psutil.TimeoutExpired):
            server.wait(EARLIER_STOP_TIMEOUT_S)
            return
    raise PlatformError(f"the PostgreSQL server of an earlier start does not end: process {server.pid}")


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root, which PostgreSQL refuses to be."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PlatformError(
        "PostgreSQL does not run as root and there is no user `postgres` or `nobody` to run it as"
    )


def _reachable(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """The folder, made for `user`; somewhere else with a link to it when `user` cannot get there."""
    try:
        if user is not None and not folder.is_symlink() and not _can_enter(folder.parent, user):
            elsewhere = OUTSIDE_HOMES / _digest(folder)
            elsewhere.mkdir(parents=True, exist_ok=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(elsewhere)
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o700)
    except OSError as error:
        raise PlatformError(f"data folder {folder}: {error.strerror}") from error
    return folder


def _can_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    for place in (folder, *folder.parents):
        if not place.exists():
            continue
        info = place.stat()
        needed = (
            stat.S_IXUSR
            if info.st_uid == user.pw_uid
            else stat.S_IXGRP
            if info.st_gid == user.pw_gid
            else stat.S_IXOTH
        )
        if not info.st_mode & needed:
            return False
    return True


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
