"""The web service's settings, read from the environment or `.env`."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """What the service can be told from outside, `SHIFTS_` before each name."""

    model_config = SettingsConfigDict(env_prefix="SHIFTS_", env_file=".env", extra="ignore", frozen=True)

    database_url: str
    dagster_database_url: str
    landing_url: str
    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=1, le=65535)
    api_key: SecretStr | None = None
    """Unset: writes are allowed from loopback only."""

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _is_postgres(cls, value: str) -> str:
        if not value.startswith(("postgresql://", "postgresql+", "postgres://")):
            raise ValueError("must be a postgresql:// URL")
        return value
