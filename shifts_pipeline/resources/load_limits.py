"""The resource `load_limits`: which trips and which files are accepted."""

import dagster as dg
from pydantic import Field


class LoadLimits(dg.ConfigurableResource["LoadLimits"]):
    """Limits that a file must meet to be loaded."""

    first_week: str = Field(
        description="Monday of the first week in which trips may start, as an ISO date. Setting: SHIFTS_FIRST_WEEK."
    )
    max_rejected_share: float = Field(
        description="A file with a larger share of rejected rows fails; 0 to 1. Setting: SHIFTS_MAX_REJECTED_SHARE."
    )
