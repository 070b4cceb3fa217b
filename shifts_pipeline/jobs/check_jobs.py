"""The jobs that evaluate checks of all partitions together, and their schedules."""

import dagster as dg

from shifts_pipeline.checks.audit import audit
from shifts_pipeline.checks.freshness import freshness
from shifts_pipeline.jobs.run_tags import MAX_RETRIES

_TAGS = {
    # They wait for no backlog of loads: they tell of it.
    "dagster/priority": "10",
    # The schedule starts the next one.
    MAX_RETRIES: "0",
}

check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=dg.AssetSelection.checks(freshness),
    tags=_TAGS,
    description="Looks for weeks that have waited for over 15 minutes for their refresh. The schedule"
    " `check_freshness_every_15_minutes` starts it.",
)
check_freshness_every_15_minutes = dg.ScheduleDefinition(
    name="check_freshness_every_15_minutes",
    job=check_freshness,
    cron_schedule="*/15 * * * *",
    description="Every 15 minutes: evaluates the check `nothing_waits_longer_than_15_minutes`.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

audit_everything = dg.define_asset_job(
    "audit_everything",
    selection=dg.AssetSelection.checks(audit),
    tags=_TAGS,
    description="Compares the ledger, the trips and the derived tables for up to 20 minutes, and continues the next"
    " time where it stopped. The schedule `nightly_audit` starts it.",
)
nightly_audit = dg.ScheduleDefinition(
    name="nightly_audit",
    job=audit_everything,
    cron_schedule="47 2 * * *",
    description="Every night: evaluates the check `audit_finds_no_difference`.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
