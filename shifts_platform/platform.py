"""The whole platform of one machine: database, migrations, code server, webserver, daemon and web service."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

from shifts_api.access.authentication import NO_KEY
from shifts_platform.child_processes import clients_of_code_server, code_server
from shifts_platform.data_folder import lock_data_folder, make_landing_folder
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError
from shifts_platform.keys import has_keys
from shifts_platform.migrations.databases import migrate_all
from shifts_platform.ports import check_port_is_free, free_port
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import PlatformSettings
from shifts_platform.supervisor import Supervisor


class Platform:
    """Starts in steps, for a progress display: iterate over `steps`, then call `serve`, and `close` in any case."""

    def __init__(self, settings: PlatformSettings, report: Callable[[str], None]) -> None:
        """Prepares the platform; nothing is started yet.

        Args:
            settings: in force.
            report: called with a line when a process exits or is restarted.
        """
        self._settings = settings
        self._folder = settings.data_folder
        self._logs = self._folder / "logs"
        self.server: EmbeddedPostgres | None = None
        """The embedded server, once it runs."""
        self._supervisor = Supervisor(self._logs, report)
        self._lock: IO[str] | None = None

    def steps(self) -> Iterator[str]:
        """Starts everything; yields the name of each step before it begins.

        Raises:
            PlatformError: a step failed; the caller still has to call `close`.
        """
        yield "checking the data folder and the ports"
        self._lock = lock_data_folder(self._folder)
        self._logs.mkdir(exist_ok=True)
        check_port_is_free(self._settings.api_host, self._settings.api_port, "SHIFTS_API_PORT")
        check_port_is_free("127.0.0.1", self._settings.dagster_port, "SHIFTS_DAGSTER_PORT")
        if self._settings.database_url is None:
            yield "starting the embedded PostGIS"
            self.server = EmbeddedPostgres(self._folder / "postgres")
            if (orphan := self.server.find_orphan()) is not None:
                yield f"stopping the PostgreSQL server of a killed platform (process {orphan.pid})"
            self.server.prepare()
            log = self._logs / "postgres.log"
            process = self.server.start(log)
            self._supervisor.watch("database", process, log, partial(self.server.spawn, log))
        environment = environment_of(self._settings, self.server) | {
            "SHIFTS_CODE_SERVER_HOST": "127.0.0.1",
            "SHIFTS_CODE_SERVER_PORT": str(free_port()),
        }
        yield "migrating the databases"
        # The code server spends its first seconds on imports, which need no tables.
        self._supervisor.spawn([code_server(environment)])
        migrate_all(environment, self._folder)
        if self._settings.needs_key and not has_keys(environment["SHIFTS_DATABASE_URL"]):
            raise PlatformError(NO_KEY)
        make_landing_folder(self._settings)
        yield "starting Dagster and the web service"
        self._supervisor.spawn(clients_of_code_server(self._settings, environment))
        self._supervisor.wait()

    def serve(self) -> None:
        """Restarts processes that exit, until `request_stop` is called."""
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
