"""The check `audit_finds_no_difference` of all assets: ledger, trips and derived tables agree over everything."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import dagster as dg

from shifts_pipeline.asset_keys import RAW_TRIPS, SHIFTS, TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.display_text import printable
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.storage import audits

NAME = "audit_finds_no_difference"
_DIFFERENCES_LISTED = 50
_LOG_INTERVAL_S = 10.0
_HOW_OFTEN = (
    " The schedule `nightly_audit` takes up to ten minutes each for files and weeks, and continues the next night."
    " A difference stays until the next audit of its week or file finds it gone."
)
_DESCRIPTIONS = {
    RAW_TRIPS: "Of every file: rows in the ledger = rows recorded by week + rejects. Of every week: trips of each"
    " file and region = rows recorded by week." + _HOW_OFTEN,
    WEEKLY_AGGREGATES: "Of every week and region: trips in the tiles = rows recorded by the loads of the same files."
    + _HOW_OFTEN,
    TRIP_CLUSTERS: "Of every cluster: the number of its members is the number that it states." + _HOW_OFTEN,
    SHIFTS: "Of every week and region with fresh shifts: each counted trip exists, fits its shift and counts once;"
    " shifts, counted trips and trips of the history are as many as recorded." + _HOW_OFTEN,
}

Part = TypeVar("Part")


@dg.multi_asset_check(
    name="audit",
    specs=[dg.AssetCheckSpec(NAME, asset=asset, description=text) for asset, text in _DESCRIPTIONS.items()],
    can_subset=True,
    description="Compares the ledger, the trips and the derived tables, least recently audited parts first.",
)
def audit(
    context: dg.AssetCheckExecutionContext, trips_database: TripsDatabase
) -> Iterator[dg.AssetCheckResult]:
    """Audits files and weeks until the time is over, and yields what the last audits of all of them found."""
    if context.op_execution_context.has_partitions:
        # Dagster adds every check of an asset to a run that is started by hand over some partitions.
        return
    with trips_database.connect(autocommit=True) as connection:
        since = audits.now(connection)
        unblocked = audits.unblock_right_files(connection)
        blocks = audits.blocks_to_audit(connection)
        _work_through(context, "blocks of files", blocks, partial(audits.audit_block, connection))
        weeks = audits.weeks_to_audit(connection)
        _work_through(context, "weeks", weeks, partial(audits.audit_week, connection))
        of_files = audits.block_state(connection, since, blocks)
        of_weeks = audits.week_state(connection, since, weeks)
        for key in sorted(context.selected_asset_check_keys):
            count, listed = audits.differences(
                connection, key.asset_key.to_user_string(), _DIFFERENCES_LISTED
            )
            metadata = {
                "differences": dg.MetadataValue.int(count),
                "trips": dg.MetadataValue.int(of_weeks.rows),
                **_state("weeks", of_weeks),
            }
            if key.asset_key == RAW_TRIPS:
                metadata |= {
                    "files": dg.MetadataValue.int(of_files.rows),
                    **_state("blocks_of_files", of_files),
                    "files_unblocked": dg.MetadataValue.int(unblocked),
                }
            if listed:
                metadata["which"] = dg.MetadataValue.table([_record(difference) for difference in listed])
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=NAME,
                passed=not count,
                description=f"{count:,} differences in {of_weeks.parts - of_weeks.outdated:,} of"
                f" {of_weeks.parts:,} weeks tonight, and in earlier audits of the others",
                metadata=metadata,
            )


def _work_through(
    context: dg.AssetCheckExecutionContext,
    name: str,
    parts: Sequence[Part],
    audit_part: Callable[[Part], None],
) -> None:
    """Audits parts in their order until the time is over."""
    begun = logged = time.monotonic()
    for number, part in enumerate(parts):
        elapsed = time.monotonic() - begun
        if elapsed > audits.AUDIT_TIME.total_seconds():
            context.log.info("%s of %s %s audited, the next audit continues", number, len(parts), name)
            return
        if time.monotonic() > logged + _LOG_INTERVAL_S:
            logged = time.monotonic()
            context.log.info("%s of %s %s", number, len(parts), name)
        audit_part(part)


def _state(name: str, state: audits.AuditState) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        f"{name}_audited": dg.MetadataValue.int(state.parts - state.outdated),
        f"{name}_left_for_next_time": dg.MetadataValue.int(state.outdated),
    }
    if state.oldest:
        metadata[f"oldest_audit_of_{name}"] = dg.MetadataValue.timestamp(state.oldest)
    return metadata


def _record(difference: dict[str, str | int | None]) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "week": str(difference.get("week") or ""),
            "region": printable(str(difference.get("region") or "")),
            "file": printable(str(difference.get("file") or "")),
            "what": str(difference["what"]),
            "expected": difference["expected"],
            "found": difference["found"],
        }
    )
