"""The platform's data folder: one platform at a time works in it, and its database serves short commands."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shifts_platform.errors import PlatformError
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import PlatformSettings

_LOCK = "lock"


def lock_data_folder(folder: Path) -> IO[str]:
    """Locks the folder until the returned file is closed.

    Raises:
        PlatformError: another platform holds the lock.
    """
    file = (folder / _LOCK).open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise PlatformError(f"a platform is already running on {folder}: see `shifts status`") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def lock_holder(folder: Path) -> int | None:
    """The id of the process that holds the lock; None if none does."""
    try:
        with (folder / _LOCK).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0)
    except FileNotFoundError:
        pass
    return None


def wait_until_unlocked(folder: Path) -> None:
    """Waits until no process holds the lock."""
    with (folder / _LOCK).open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def start_server(settings: PlatformSettings) -> EmbeddedPostgres:
    """Starts the embedded server in the locked data folder.

    Raises:
        PlatformError: it does not start.
    """
    server = EmbeddedPostgres(settings.data_folder / "postgres")
    (settings.data_folder / "logs").mkdir(exist_ok=True)
    server.prepare()
    server.start(settings.data_folder / "logs/postgres.log")
    return server


def make_landing_folder(settings: PlatformSettings) -> None:
    """Creates the landing zone if it is a folder."""
    if not settings.landing.startswith("gs://"):
        Path(settings.landing.removeprefix("file://")).mkdir(parents=True, exist_ok=True)


@contextmanager
def embedded_server(settings: PlatformSettings) -> Iterator[EmbeddedPostgres | None]:
    """The embedded server for a short command: the running one, or one that runs while in the block.

    Yields None when `SHIFTS_DATABASE_URL` names another server.

    Raises:
        PlatformError: the server does not start.
    """
    if settings.database_url is not None:
        yield None
        return
    try:
        lock = lock_data_folder(settings.data_folder)
    except PlatformError:
        yield EmbeddedPostgres(settings.data_folder / "postgres")
        return
    with lock:
        server = start_server(settings)
        try:
            yield server
        finally:
            server.stop()
