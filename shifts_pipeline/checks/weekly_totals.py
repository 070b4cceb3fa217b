"""The check `weekly_totals_equal_trips` of `weekly_aggregates`: statistics count every trip exactly once."""

import dagster as dg

from shifts_pipeline.asset_keys import WEEKLY_AGGREGATES
from shifts_pipeline.partitions import WEEKS
from shifts_pipeline.storage.refresh_pair import TOTALS_EQUAL_TRIPS

weekly_totals_spec = dg.AssetCheckSpec(
    TOTALS_EQUAL_TRIPS,
    asset=WEEKLY_AGGREGATES,
    partitions_def=WEEKS,
    description="In every region: trips in the tiles = trips recorded by the loads = trips counted one by one.",
)
