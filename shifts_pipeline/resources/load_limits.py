"""The resource `load_limits`: which trips and which files are accepted."""

from datetime import date

import dagster as dg
from pydantic import Field

from shifts_core.calendar import DateRange


class LoadLimits(dg.ConfigurableResource["LoadLimits"]):
    """Limits that a file must meet to be loaded."""

    first_week: str = Field(
        description="Monday of the first week in which trips may start, as an ISO date. Setting: SHIFTS_FIRST_WEEK."
    )
    retention_weeks: int | None = Field(
        description="Weeks before the current one that are kept; all if not set. Setting: SHIFTS_RETENTION_WEEKS."
    )
    max_rejected_share: float = Field(
        description="A file with a larger share of rejected rows fails; 0 to 1. Setting: SHIFTS_MAX_REJECTED_SHARE."
    )

    def dates(self, today: date) -> DateRange:
        """The days on which trips may start."""
        return DateRange.starting(date.fromisoformat(self.first_week), today, self.retention_weeks)
