"""The platform's data folder: one platform at a time works in it, and its database serves short commands."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shifts_platform.errors import PlatformError
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import PlatformSettings


def lock_data_folder(folder: Path) -> IO[str]:
    """Locks the folder until the returned file is closed.

    Raises:
        PlatformError: another platform holds the lock.
    """
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise PlatformError(f"a platform is already running on {folder}: see `shifts status`") from None
    return file


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
    server = EmbeddedPostgres(settings.data_folder / "postgres")
    try:
        lock = lock_data_folder(settings.data_folder)
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
