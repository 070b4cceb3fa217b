"""Prometheus metrics that are read from the ledger and from the stale (region, week) pairs."""

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import extract, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_core.schema.views import stale_weeks

_LEDGER_TOTALS = select(
    func.shifts_store.ledger_totals().table_valued("status", "files", "rows_loaded", "rows_rejected")
)
_STALE_PAIRS = select(
    func.count(), func.coalesce(extract("epoch", func.now() - func.min(stale_weeks.c.stale_since)), 0)
)


async def read_database_metrics(connection: AsyncConnection) -> list[Metric]:
    """Totals of the ledger by status, and the number and age of stale pairs."""
    files = GaugeMetricFamily("shifts_files", "Files in the ledger", labels=["status"])
    rows = GaugeMetricFamily("shifts_rows", "Rows of loaded files", labels=["outcome"])
    totals = {"loaded": 0, "rejected": 0}
    for status, count, loaded, rejected in await connection.execute(_LEDGER_TOTALS):
        files.add_metric([status], count)
        if status == "loaded":
            totals = {"loaded": loaded, "rejected": rejected}
    for outcome, total in totals.items():
        rows.add_metric([outcome], total)
    pairs, age_s = (await connection.execute(_STALE_PAIRS)).one()
    # `ledger_totals` may have merged rows.
    await connection.commit()
    return [
        files,
        rows,
        GaugeMetricFamily("shifts_stale_pairs", "(region, week) pairs that wait for a refresh", pairs),
        GaugeMetricFamily("shifts_oldest_stale_pair_seconds", "Age of the oldest of them", age_s),
    ]
