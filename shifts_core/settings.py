"""Settings that several programs share: how they are read, and rules for values of one kind."""

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shifts_core.calendar import FIRST_MONDAY
from shifts_core.clustering.parameters import DEFAULT_WINDOW_MINUTES, MAX_WINDOW_MINUTES
from shifts_core.database_url import parse_database_url

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def _monday(value: date) -> date:
    if value.isoweekday() != 1 or value < FIRST_MONDAY:
        raise ValueError(f"must be a Monday, {FIRST_MONDAY} or later")
    return value


def _database_url(value: str) -> str:
    parse_database_url(value)
    return value


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _host_names(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_HOST_NAME.fullmatch(name) for name in value):
        raise ValueError("must be host names separated by commas, without scheme and port")
    return tuple(name.lower() for name in value)


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
"""A `postgresql://` URL; it may contain a password, so fields of this type take `repr=False`."""
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several words, separated by commas."""
HostNames = Annotated[Words, AfterValidator(_host_names)]
"""Host names in lower case, separated by commas."""
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Settings read from the environment or `.env`, `SHIFTS_` before each name."""

    model_config = SettingsConfigDict(
        env_prefix="SHIFTS_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )


class SharedSettings(Settings):
    """What the pipeline and the API must agree on."""

    time_bin_minutes: int = Field(DEFAULT_WINDOW_MINUTES, ge=1, le=MAX_WINDOW_MINUTES)
    first_week: Annotated[date, AfterValidator(_monday)] = date(2000, 1, 3)
    """Monday of the first week in which trips may start."""
    min_count: int | None = Field(None, ge=2, le=1_000_000)
    """Least number of trips of a cell, which non-admins' counts are taken over; None for exact counts."""
    retention_weeks: int | None = Field(None, ge=1)
    """How many weeks before the current one are kept; None for all."""
