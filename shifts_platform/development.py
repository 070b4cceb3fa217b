"""Dagster's own commands in a checkout (`dagster dev`, `dg dev`): their databases, beside or without a platform."""

import atexit
import os
from collections.abc import Mapping

from dagster._utils.interrupts import raise_interrupts_as

from shifts_platform.data_folder import (
    lock_data_folder,
    lock_holder,
    make_landing_folder,
    start_server,
    wait_until_unlocked,
)
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError
from shifts_platform.migrations.databases import find_pending, migrate_all
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import load_settings, read_settings

_NOT_FOR_CHILDREN = "DAGSTER_HOME"
"""Dagster passes its instance to child processes as an argument."""


def connect_to_platform() -> Mapping[str, str]:
    """Joins the platform that runs on the data folder, or starts its database until this process ends.

    Returns:
        The settings in force, for the environment of this process and its children.

    Raises:
        PlatformError: a setting is invalid, the database does not start, or a running platform is of another version.
    """
    settings = load_settings()
    try:
        lock = lock_data_folder(settings.data_folder)
    except PlatformError:
        lock = None
    if lock is None:
        server = None if settings.database_url else EmbeddedPostgres(settings.data_folder / "postgres")
        environment = environment_of(settings, server)
        if find_pending(environment):
            raise PlatformError(
                "the platform on this data folder is still starting or is of another version:"
                " wait for it, or restart it from this checkout"
            )
    else:
        # Keeps the lock until the end of the process.
        atexit.register(lock.close)
        server = None if settings.database_url else start_server(settings)
        if server is not None:
            atexit.register(server.stop)
        environment = environment_of(settings, server)
        migrate_all(environment, settings.data_folder)
        make_landing_folder(settings)
    return {name: value for name, value in environment.items() if name != _NOT_FOR_CHILDREN}


def wait_for_other_daemon() -> None:
    """Returns at once if this process may be Dagster's daemon; otherwise exits with 1 when the running platform ends.

    Two daemons on one database would evaluate each sensor and launch each queued run twice. When the platform ends,
    its database ends with it; `dagster dev` then ends because its daemon has.
    """
    folder = read_settings().data_folder
    if lock_holder(folder) in (None, os.getppid()):
        return
    print(
        "A platform runs on this data folder: its daemon evaluates sensors and launches the runs.", flush=True
    )
    with raise_interrupts_as(KeyboardInterrupt):
        wait_until_unlocked(folder)
    print("The platform on this data folder has ended: start this command again.", flush=True)
    # `sys.exit` would wait for a message from the parent process.
    os._exit(1)
