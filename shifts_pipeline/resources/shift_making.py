"""The resource `shift_making`: how shifts are made."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    from shifts_pipeline.storage.shifts.state import MakingOptions


class ShiftMaking(dg.ConfigurableResource["ShiftMaking"]):
    """Parameters of shifts, in metres, minutes and weeks; another value makes all shifts stale."""

    weeks: int = Field(
        description="Weeks of trips that shifts are made from. Setting: SHIFTS_SHIFT_WEEKS.",
    )
    min_riders: int = Field(
        description="Least number of riders of a departure. Setting: SHIFTS_SHIFT_MIN_RIDERS."
    )
    time_bin_minutes: int = Field(
        description="Longest time between the earliest and the latest start of a shift's trips, in minutes."
        " Setting: SHIFTS_TIME_BIN_MINUTES."
    )
    max_radius_m: float = Field(
        description="Largest distance from a shift's places to the ends of its trips, in metres."
        " Setting: SHIFTS_CLUSTER_MAX_RADIUS_M."
    )

    def options(self) -> "MakingOptions":
        """The parameters as the storage takes them."""
        # scipy and the compiled search take a second to import, which other runs need not pay.
        from shifts_core.shifts.parameters import ShiftParameters  # noqa: PLC0415
        from shifts_pipeline.storage.shifts.state import MakingOptions  # noqa: PLC0415

        return MakingOptions(
            ShiftParameters(
                max_radius_m=self.max_radius_m,
                window_minutes=self.time_bin_minutes,
                min_riders=self.min_riders,
            ),
            self.weeks,
        )
