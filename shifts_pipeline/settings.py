"""The pipeline's settings, read from the environment or `.env`; an error names the invalid setting and the reason."""

from functools import cache

from pydantic import Field

from shifts_core.clustering.parameters import DEFAULT_EPS_M, DEFAULT_MAX_RADIUS_M, DEFAULT_MIN_TRIPS
from shifts_core.settings import DatabaseUrl, SharedSettings
from shifts_core.shifts.parameters import DEFAULT_MIN_RIDERS, DEFAULT_SHIFT_WEEKS, MAX_SHIFT_WEEKS


class PipelineSettings(SharedSettings):
    """Settings of the pipeline; each environment variable is the name with the prefix `SHIFTS_`."""

    database_url: DatabaseUrl | None = Field(None, repr=False)
    """Needed by runs and sensors, not by the definitions; likewise the next two."""
    dagster_database_url: DatabaseUrl | None = Field(None, repr=False)
    landing_url: str | None = None
    cluster_eps_m: float = Field(DEFAULT_EPS_M, gt=0)
    cluster_min_trips: int = Field(DEFAULT_MIN_TRIPS, ge=2)
    cluster_max_radius_m: float = Field(DEFAULT_MAX_RADIUS_M, gt=0)
    shift_weeks: int = Field(DEFAULT_SHIFT_WEEKS, ge=1, le=MAX_SHIFT_WEEKS)
    shift_min_riders: int = Field(DEFAULT_MIN_RIDERS, ge=1)
    keep_totals: bool = False
    """Whether the number of trips of each region and expired week remains."""
    audit_weeks: int = Field(52, ge=1)
    """How long entries of the audit trail are kept."""
    max_rejected_share: float = Field(0.5, ge=0, le=1)


@cache
def settings() -> PipelineSettings:
    """The settings in force, read once per process.

    Raises:
        pydantic.ValidationError: a setting is invalid.
    """
    return PipelineSettings()
