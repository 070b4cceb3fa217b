"""Dagster's storage, as `dagster.yaml` names it: the database of the environment, or else that of a checkout."""

import atexit
import os
import sys
from tempfile import TemporaryDirectory
from typing import Any

import click
from dagster import DagsterInstance
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import Engine, create_engine

from shifts_pipeline.event_log_storage import BatchedEventLogStorage
from shifts_platform.development import connect_to_platform, wait_for_other_daemon
from shifts_platform.errors import PlatformError

_URL = "SHIFTS_DAGSTER_DATABASE_URL"
_DAEMON_OF_DAGSTER_DEV = "dagster._daemon.__main__"
_KEPT_CONNECTIONS = 2
"""Of each process; more are opened while they are needed."""


class PlatformStorage(DagsterStorage[DagsterInstance], ConfigurableClass):
    """Opens PostgreSQL at `SHIFTS_DAGSTER_DATABASE_URL`.

    The platform and the containers set the variable. Where it is unset, as for `dagster dev` in a checkout, the first
    process finds or starts the database and sets it for its children.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No options."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> DagsterStorage[DagsterInstance]:
        """Opens the storage; called by Dagster once per process.

        Raises:
            click.ClickException: there is no database; Dagster's commands print the reason as one line.
        """
        del config_value
        if _URL not in os.environ and "DAGSTER_IS_DEFS_VALIDATION_CLI" in os.environ:
            # Definitions are validated without a server.
            folder = TemporaryDirectory()
            atexit.register(folder.cleanup)
            return DagsterSqliteStorage.from_local(folder.name)
        try:
            if _URL not in os.environ:
                os.environ.update(connect_to_platform())
            if _is_daemon_of_dagster_dev():
                wait_for_other_daemon()
        except PlatformError as error:
            raise click.ClickException(str(error)) from error
        # Dagster creates a run with an event for each of its partitions.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
        storage = DagsterPostgresStorage(os.environ[_URL], inst_data=inst_data)
        storage._event_log_storage = BatchedEventLogStorage(os.environ[_URL])
        share_connections(
            os.environ[_URL], storage._run_storage, storage._event_log_storage, storage._schedule_storage
        )
        return storage


def share_connections(url: str, *parts: Any) -> Engine:
    """Lets the parts of a storage use the same few open connections.

    Each of them would connect anew for each statement. The daemon asks every second, and connecting was most of its
    work and much of the server's.
    """
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_pre_ping=True,
        pool_use_lifo=True,
    )
    for part in parts:
        part._engine = engine
    return engine


def _is_daemon_of_dagster_dev() -> bool:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec is not None and spec.name == _DAEMON_OF_DAGSTER_DEV
