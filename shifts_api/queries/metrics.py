"""Prometheus metrics that are read from the ledger and from the stale (region, week) pairs."""

from functools import partial

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import extract, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_core.schema.views import stale_weeks

_LEDGER_TOTALS = select(
    func.shifts_store.ledger_totals().table_valued("status", "files", "rows_loaded", "rows_rejected")
)
_STALE_PAIRS = select(
    func.count(), func.coalesce(extract("epoch", func.now() - func.min(stale_weeks.c.stale_since)), 0)
)


async def read_database_metrics(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    """Adds the totals of the ledger by status, and the number and age of stale pairs."""
    totals = (await connection.execute(_LEDGER_TOTALS)).all()
    pairs, age_s = (await connection.execute(_STALE_PAIRS)).one()
    # `ledger_totals` may have merged rows.
    await connection.commit()
    gauge = partial(Gauge, registry=registry)
    files = gauge("shifts_files", "Files in the ledger", ["status"])
    rows = gauge("shifts_rows", "Rows of loaded files", ["outcome"])
    for outcome in ("loaded", "rejected"):
        rows.labels(outcome).set(0)
    for status, count, loaded, rejected in totals:
        files.labels(status).set(count)
        if status == "loaded":
            rows.labels("loaded").set(loaded)
            rows.labels("rejected").set(rejected)
    gauge("shifts_stale_pairs", "(region, week) pairs that wait for a refresh").set(pairs)
    gauge("shifts_oldest_stale_pair_seconds", "Age of the oldest of them").set(age_s)
