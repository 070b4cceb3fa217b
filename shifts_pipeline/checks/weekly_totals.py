"""The check `weekly_totals_equal_trips` of `weekly_aggregates`: statistics count every trip exactly once."""

import dagster as dg

from shifts_pipeline.asset_keys import WEEKLY_AGGREGATES

NAME = "weekly_totals_equal_trips"


def weekly_totals_spec(partitions: dg.MultiPartitionsDefinition) -> dg.AssetCheckSpec:
    """The check's specification, for the partitions of the asset."""
    return dg.AssetCheckSpec(
        NAME,
        asset=WEEKLY_AGGREGATES,
        partitions_def=partitions,
        description="Trips in the tiles = trips recorded by the loads = trips counted one by one.",
    )


def weekly_totals(partition: str, *, tiled: int, recorded: int, counted: int) -> dg.AssetCheckEvaluation:
    """The check's evaluation for a (region, week) pair, from its trips in the tiles, in the ledger and in `trips`."""
    return dg.AssetCheckEvaluation(
        asset_key=WEEKLY_AGGREGATES,
        check_name=NAME,
        passed=tiled == recorded == counted,
        metadata={"in_tiles": tiled, "recorded": recorded, "counted": counted},
        partition=partition,
    )
