"""The checks of `shifts`: the trips of every shift fit it, and count once."""

import dagster as dg

from shifts_pipeline.asset_keys import SHIFTS
from shifts_pipeline.partitions import WEEKS
from shifts_pipeline.storage.shifts.violations import COUNTED_ONCE, TRIPS_FIT

shift_guarantees_specs = [
    dg.AssetCheckSpec(
        TRIPS_FIT,
        asset=SHIFTS,
        partitions_def=WEEKS,
        description="Every trip that a shift counts exists, in its region and history. It starts within the radius of"
        " the pickup, ends within it of the drop-off, and starts in the window, on one of the weekdays. Measured on"
        " the rows that were written.",
    ),
    dg.AssetCheckSpec(
        COUNTED_ONCE,
        asset=SHIFTS,
        partitions_def=WEEKS,
        description="No trip counts twice among the shifts of a region after a week, and their ranks have no gap.",
    ),
]
