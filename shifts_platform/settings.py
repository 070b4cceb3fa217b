"""The platform's settings: what one machine's processes are started with."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shifts_api.settings import ApiSettings
from shifts_pipeline.database import parse_database_url
from shifts_pipeline.settings import PipelineSettings
from shifts_platform.errors import PlatformError


class PlatformSettings(BaseSettings):
    """What `shifts` can be told from outside, `SHIFTS_` before each name."""

    model_config = SettingsConfigDict(
        env_prefix="SHIFTS_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Path(".shifts")
    database_url: str | None = Field(None, repr=False)
    dagster_database_url: str | None = Field(None, repr=False)
    landing_url: str | None = None
    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=1, le=65535)
    dagster_port: int = Field(3000, ge=1, le=65535)
    dagster_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names under which the Dagster UI is reached besides loopback, comma separated."""
    api_key: str | None = Field(None, repr=False)

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None:
            parse_database_url(value)
        return value

    @field_validator("dagster_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip().lower() for part in value.split(",") if part.strip())

    @field_validator("dagster_hosts")
    @classmethod
    def _are_host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"[a-z0-9._-]+", name) for name in value):
            raise ValueError("must be host names without scheme and port, comma separated")
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


def read_settings() -> PlatformSettings:
    """The platform's settings, without looking at what they name.

    Raises:
        PlatformError: one is bad; the message has its name and the reason.
    """
    try:
        return PlatformSettings()
    except ValidationError as error:
        raise _bad_settings(error) from None


def load_settings() -> PlatformSettings:
    """The settings in force, of every part.

    Raises:
        PlatformError: one is bad; the message has its name and the reason.
    """
    settings = read_settings()
    try:
        # What the parts would say one by one, each in its own log, is better said before the start.
        for part in (PipelineSettings, ApiSettings):
            part(
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
    # Without the values: keys and passwords are among them.
    problems = [
        f"SHIFTS_{'_'.join(map(str, e['loc'])).upper()}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors()
    ]
    return PlatformError("; ".join(problems))
