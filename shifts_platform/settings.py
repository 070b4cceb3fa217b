"""The platform's settings: what one machine's processes are started with."""

import os
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shifts_api.settings import ApiSettings
from shifts_pipeline.settings import PipelineSettings
from shifts_platform.errors import PlatformError


class PlatformSettings(BaseSettings):
    """What `shifts` can be told from outside, `SHIFTS_` before each name."""

    model_config = SettingsConfigDict(env_prefix="SHIFTS_", env_file=".env", extra="ignore", frozen=True)

    data_dir: Path = Path(".shifts")
    database_url: str | None = None
    dagster_database_url: str | None = None
    landing_url: str | None = None
    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=1, le=65535)
    dagster_port: int = Field(3000, ge=1, le=65535)
    api_key: str | None = None

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgresql+", "postgres://")):
            raise ValueError("must be a postgresql:// URL")
        return value

    @property
    def data_folder(self) -> Path:
        """The data folder's absolute path."""
        return self.data_dir.expanduser().absolute()

    @property
    def landing(self) -> str:
        """The landing zone, a folder of the data folder unless set."""
        return self.landing_url or str(self.data_folder / "landing")

    @property
    def api_url(self) -> str:
        """Where clients on this machine reach the service."""
        host = "127.0.0.1" if self.api_host in ("0.0.0.0", "::") else self.api_host  # noqa: S104
        return f"http://{host}:{self.api_port}"

    @property
    def dagster_url(self) -> str:
        """Where the Dagster UI is."""
        return f"http://127.0.0.1:{self.dagster_port}"


def load_settings() -> PlatformSettings:
    """The settings in force.

    Raises:
        PlatformError: one is bad; the message has its name and the reason.
    """
    try:
        settings = PlatformSettings()
        # What the parts would say one by one, each in its own log, is better said before the start.
        for part in (PipelineSettings, ApiSettings):
            part(
                database_url=settings.database_url or "postgresql://",
                dagster_database_url=settings.dagster_database_url or "postgresql://",
                landing_url=settings.landing,
            )
    except ValidationError as error:
        problems = [
            f"SHIFTS_{'_'.join(map(str, e['loc'])).upper()}: {e['msg'].removeprefix('Value error, ')}"
            f" (it is {e['input']!r})"
            for e in error.errors()
        ]
        raise PlatformError("; ".join(problems)) from None
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
