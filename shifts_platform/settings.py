"""The settings of the platform, from the environment or `.env`."""

import os
from pathlib import Path

from pydantic import Field, ValidationError

from shifts_api.settings import ApiSettings
from shifts_core.browser_requests import is_loopback
from shifts_core.settings import DatabaseUrl, HostNames, Port, Settings
from shifts_pipeline.settings import PipelineSettings
from shifts_platform.errors import PlatformError


class PlatformSettings(Settings):
    """Settings of the command `shifts`; each environment variable starts with `SHIFTS_`."""

    data_dir: Path = Path(".shifts")
    database_url: DatabaseUrl | None = Field(None, repr=False)
    dagster_database_url: DatabaseUrl | None = Field(None, repr=False)
    landing_url: str | None = None
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    dagster_port: Port = 3000
    dagster_hosts: HostNames = ()
    """Host names of the Dagster UI besides loopback, comma separated."""
    api_key: str | None = Field(None, repr=False)
    """Commands send it to the web service."""
    api_open_reads: bool = False

    @property
    def data_folder(self) -> Path:
        """The data folder's absolute path."""
        return self.data_dir.expanduser().absolute()

    @property
    def landing(self) -> str:
        """The landing zone: a folder in the data folder unless set."""
        return self.landing_url or str(self.data_folder / "landing")

    @property
    def api_url(self) -> str:
        """The URL of the web service for clients on this machine."""
        host = "127.0.0.1" if self.api_host in ("0.0.0.0", "::") else self.api_host  # noqa: S104
        return f"http://{host}:{self.api_port}"

    @property
    def api_headers(self) -> dict[str, str]:
        """The headers of a request to the web service: the key, if one is set."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    @property
    def needs_key(self) -> bool:
        """Whether the web service must not start without a key in the database: other machines reach it."""
        return not (self.api_key or self.api_open_reads or is_loopback(self.api_host))

    @property
    def dagster_url(self) -> str:
        """The URL of the Dagster UI."""
        return f"http://127.0.0.1:{self.dagster_port}"


def read_settings() -> PlatformSettings:
    """Reads the settings without checking the data folder or the settings of other packages.

    Raises:
        PlatformError: one is invalid; the message has its name and the reason.
    """
    try:
        return PlatformSettings()
    except ValidationError as error:
        raise _bad_settings(error) from None


def load_settings() -> PlatformSettings:
    """Reads the settings, checks those of the pipeline and the web service too, and creates the data folder.

    Raises:
        PlatformError: one is invalid; the message has its name and the reason.
    """
    settings = read_settings()
    try:
        # Otherwise each process would report its own in its log.
        for package in (PipelineSettings, ApiSettings):
            package(
                database_url=settings.database_url or "postgresql://",
                dagster_database_url=settings.dagster_database_url or "postgresql://",
                landing_url=settings.landing,
            )
    except ValidationError as error:
        raise _bad_settings(error) from None
    try:
        settings.data_folder.mkdir(parents=True, exist_ok=True)
        probe = settings.data_folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PlatformError(
            f"SHIFTS_DATA_DIR: {settings.data_folder} cannot be used: {error.strerror}"
        ) from None
    return settings


def _bad_settings(error: ValidationError) -> PlatformError:
    # Without the values, which include keys and passwords.
    problems = [
        f"SHIFTS_{'_'.join(map(str, e['loc'])).upper()}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors()
    ]
    return PlatformError("; ".join(problems))
