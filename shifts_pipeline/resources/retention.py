"""The resource `retention`: how long trips are kept, and what remains of them."""

from datetime import date

import dagster as dg
from pydantic import Field

from shifts_core.calendar import first_kept


class Retention(dg.ConfigurableResource["Retention"]):
    """Which weeks expire; none without a number of weeks."""

    weeks: int | None = Field(
        description="Weeks before the current one that are kept; all if not set. Setting: SHIFTS_RETENTION_WEEKS."
    )
    keep_totals: bool = Field(
        description="Whether the number of trips of each region and expired week remains."
        " Setting: SHIFTS_KEEP_TOTALS."
    )

    def first_kept(self, today: date) -> date | None:
        """The Monday of the first week that is kept; None if all are."""
        return None if self.weeks is None else first_kept(today, self.weeks)
