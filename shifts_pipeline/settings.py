"""The pipeline's settings, read from the environment or `.env`; a bad value names itself and its reason."""

from datetime import date
from functools import cache

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shifts_pipeline.database import parse_database_url


class PipelineSettings(BaseSettings):
    """What the pipeline can be told from outside, `SHIFTS_` before each name."""

    model_config = SettingsConfigDict(
        env_prefix="SHIFTS_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: str = Field(repr=False)
    dagster_database_url: str = Field(repr=False)
    landing_url: str
    time_bin_minutes: int = Field(60, ge=1, le=720)
    cluster_eps_m: float = Field(500, gt=0)
    cluster_min_trips: int = Field(5, ge=2)
    cluster_max_radius_m: float = Field(500, gt=0)
    max_rejected_share: float = Field(0.5, ge=0, le=1)
    first_week: date = date(2000, 1, 3)
    """Monday of the first week of the calendar; trips before it are rejected."""

    @field_validator("first_week")
    @classmethod
    def _is_monday(cls, value: date) -> date:
        if value.isoweekday() != 1 or value < date(1970, 1, 5):
            raise ValueError("must be a Monday, 1970-01-05 or later")
        return value

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _is_postgres(cls, value: str) -> str:
        parse_database_url(value)
        return value


@cache
def settings() -> PipelineSettings:
    """The settings in force, read once a process.

    Raises:
        pydantic.ValidationError: a setting is missing or bad.
    """
    return PipelineSettings()
