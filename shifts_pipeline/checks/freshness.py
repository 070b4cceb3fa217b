"""The check `nothing_waits_longer_than_15_minutes` of the weekly assets: stale pairs are refreshed in time."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from shifts_pipeline.asset_keys import ASSET_OF, SHIFTS
from shifts_pipeline.display_text import printable
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.storage.waiting_pairs import WaitingPairs, waiting_pairs

NAME = "nothing_waits_longer_than_15_minutes"
MAX_WAIT = timedelta(minutes=15)

_CHECKED: dict[str, dg.AssetKey] = {**{str(table): key for table, key in ASSET_OF.items()}, "shifts": SHIFTS}
_DESCRIPTION = (
    "No (region, week) pair has been stale for over 15 minutes. Such a pair waits for workers, its refresh fails, or"
    " a file whose rows differ from the ledger blocks it. The schedule"
    " `check_freshness_every_15_minutes` evaluates it."
)


@dg.multi_asset_check(
    name="freshness",
    specs=[dg.AssetCheckSpec(NAME, asset=asset, description=_DESCRIPTION) for asset in _CHECKED.values()],
    can_subset=True,
    description="Looks for stale pairs that wait too long.",
)
def freshness(
    context: dg.AssetCheckExecutionContext, trips_database: TripsDatabase
) -> Iterator[dg.AssetCheckResult]:
    """Evaluates the check of each selected asset."""
    if context.op_execution_context.has_partitions:
        # Dagster adds every check of an asset to a run that is started by hand over some partitions.
        return
    with trips_database.connect(autocommit=True) as connection:
        waiting = waiting_pairs(connection, MAX_WAIT)
    selected = {key.asset_key for key in context.selected_asset_check_keys}
    for found in waiting:
        if _CHECKED[found.derived_table] in selected:
            yield _result(found)


def _result(waiting: WaitingPairs) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {
        "pairs_waiting": dg.MetadataValue.int(waiting.pairs),
        "pairs_late": dg.MetadataValue.int(waiting.late),
        "pairs_blocked": dg.MetadataValue.int(waiting.blocked),
    }
    if waiting.week is not None and waiting.stale_since is not None:
        metadata |= {
            "oldest_region": dg.MetadataValue.text(printable(waiting.region or "")),
            "oldest_week": dg.MetadataValue.text(f"{waiting.week:%G-W%V}"),
            "waiting_since": dg.MetadataValue.timestamp(waiting.stale_since),
        }
    return dg.AssetCheckResult(
        asset_key=_CHECKED[waiting.derived_table],
        check_name=NAME,
        passed=not waiting.late,
        description=f"{waiting.late:,} pairs wait for over {MAX_WAIT // timedelta(minutes=1)} minutes"
        + (f", {waiting.blocked:,} stale pairs are blocked by files" if waiting.blocked else ""),
        metadata=metadata,
    )
