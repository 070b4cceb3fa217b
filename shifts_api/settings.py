"""The web service's settings, read from the environment or `.env`; a bad one names itself and its reason."""

import re
from datetime import date
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shifts_api.database_url import parse_database_url

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class ApiSettings(BaseSettings):
    """What the service can be told from outside, `SHIFTS_` before each name."""

    model_config = SettingsConfigDict(
        env_prefix="SHIFTS_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: str = Field(repr=False)
    dagster_database_url: str = Field(repr=False)
    landing_url: str
    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=1, le=65535)
    api_key: SecretStr | None = None
    """Unset: writes are allowed from loopback only."""
    api_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Names under which clients reach the service, comma separated, beside loopback's and `api_host`."""
    api_cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may use the service from a browser, comma separated; `*` lets all of them read."""
    api_pool_size: int = Field(10, ge=1, le=200)
    """Connections to the trips database; a third of them for writes."""
    api_pool_wait_s: float = Field(2, gt=0)
    """How long a request waits for one of them before it is sent away."""
    api_statement_timeout_s: float = Field(20, gt=0)
    api_max_body_bytes: int = Field(16 * 1024**2, ge=1024)
    """Of a request that is no upload."""
    api_max_upload_bytes: int = Field(20 * 1024**3, ge=1)
    api_tiles_bytes: int = Field(1024**3, ge=0)
    """Memory for tiles, with their bounds and bookkeeping; codes take 8 bytes a trip."""
    api_max_listeners: int = Field(5_000, ge=1)
    """Clients of the feed at one time."""
    time_bin_minutes: int = Field(60, ge=1, le=720)
    first_week: date = date(2000, 1, 3)
    """Monday of the first week of the calendar; trips before it are refused."""

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _is_postgres(cls, value: str) -> str:
        parse_database_url(value)
        return value

    @field_validator("first_week")
    @classmethod
    def _is_monday(cls, value: date) -> date:
        if value.isoweekday() != 1 or value < date(1970, 1, 5):
            raise ValueError("must be a Monday, 1970-01-05 or later")
        return value

    @field_validator("landing_url")
    @classmethod
    def _is_landing_zone(cls, value: str) -> str:
        if not value or ("://" in value and not value.startswith(("file://", "gs://"))):
            raise ValueError("must be a folder or gs://bucket/prefix")
        return value

    @field_validator("api_hosts", "api_cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("api_hosts")
    @classmethod
    def _are_host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST_NAME.fullmatch(name) for name in value):
            raise ValueError("must be host names separated by commas, without scheme and port")
        return tuple(name.lower() for name in value)

    @field_validator("api_key")
    @classmethod
    def _is_set(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not (
            value.get_secret_value().isascii() and value.get_secret_value().isprintable()
        ):
            raise ValueError("must be printable ASCII")
        return value if value and value.get_secret_value() else None
