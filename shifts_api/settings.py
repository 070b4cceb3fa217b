"""The settings of the web service."""

import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from shifts_core.browser_requests import is_loopback
from shifts_core.settings import DatabaseUrl, HostNames, Port, SharedSettings, Words

_PMTILES = b"PMTiles\x03"
"""What such a file begins with."""


class ApiSettings(SharedSettings):
    """Environment variables of the service, each with the prefix `SHIFTS_`."""

    database_url: DatabaseUrl = Field(repr=False)
    dagster_database_url: DatabaseUrl = Field(repr=False)
    landing_url: str
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    api_key: SecretStr | None = None
    """An admin key. While no key exists, everybody may read and clients on loopback may write."""
    api_open_reads: bool = False
    """Whether the service may be reachable from other machines while no key exists."""
    api_hosts: HostNames = ()
    """Host names under which clients reach the service, besides those of loopback and `api_host`."""
    api_cors_origins: Words = ()
    """Origins whose pages may use the service from a browser; with `*` all pages may read."""
    api_pool_size: int = Field(10, ge=1, le=200)
    """Connections to the trips database; a third of them are for writes."""
    api_pool_wait_s: float = Field(2, gt=0)
    """How long a request waits for a connection before it is refused."""
    api_statement_timeout_s: float = Field(20, gt=0)
    api_max_body_bytes: int = Field(16 * 1024**2, ge=1024)
    """Largest body of a request other than an upload."""
    api_max_upload_bytes: int = Field(20 * 1024**3, ge=1)
    api_tiles_bytes: int = Field(1024**3, ge=0)
    """Memory for tiles, with their bounds and bookkeeping; their high bits take 8 bytes per trip."""
    api_max_listeners: int = Field(20_000, ge=1)
    """Largest number of clients of the feed."""
    basemap: Path | None = None
    """A city map for the page: PMTiles with the layers of Protomaps."""
    dagster_port: Port = 3000
    dagster_url: str | None = None
    """Where users reach the Dagster UI, to which events of the feed link."""

    @property
    def may_be_open(self) -> bool:
        """Whether reads may be open to everybody who reaches the service, while no key exists."""
        return self.api_open_reads or is_loopback(self.api_host)

    @property
    def dagster_base_url(self) -> str:
        """The URL of the Dagster UI, without a slash at its end."""
        return (self.dagster_url or f"http://127.0.0.1:{self.dagster_port}").rstrip("/")

    @field_validator("basemap")
    @classmethod
    def _is_basemap(cls, value: Path | None) -> Path | None:
        if value is None or value == Path():
            return None
        try:
            with value.open("rb") as file:
                is_valid = file.read(len(_PMTILES)) == _PMTILES
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        if not is_valid:
            raise ValueError("must be a PMTiles file of version 3")
        return value

    @field_validator("dagster_url")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"https?://[^\s?#@]+", value):
            raise ValueError("must be an http or https URL without user, query and fragment")
        return value or None

    @field_validator("landing_url")
    @classmethod
    def _is_landing_zone(cls, value: str) -> str:
        if not value or ("://" in value and not value.startswith(("file://", "gs://"))):
            raise ValueError("must be a folder or gs://bucket/prefix")
        return value

    @field_validator("api_key")
    @classmethod
    def _is_set(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not (
            value.get_secret_value().isascii() and value.get_secret_value().isprintable()
        ):
            raise ValueError("must be printable ASCII")
        return value if value and value.get_secret_value() else None
