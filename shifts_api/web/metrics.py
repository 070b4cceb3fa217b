"""The service's figures for Prometheus: requests as they pass, the feed as it is, the ledger when asked."""

from collections.abc import Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.feed.feed import Feed
from shifts_api.queries.tile_cache import TileCache

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts what passes; one an application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "shifts_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "shifts_http_request_seconds",
            "Time to the end of an answer, streams left out",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)


class FeedCollector(Collector):
    """The feed at the moment of being asked."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        """The feed's figures."""
        feed = self._feed
        yield GaugeMetricFamily("shifts_feed_connected", "Whether the outbox is listened to", feed.connected)
        yield GaugeMetricFamily("shifts_feed_clients", "Clients following the feed", feed.clients)
        yield CounterMetricFamily("shifts_feed_events_heard", "Events read from the outbox", value=feed.heard)
        yield CounterMetricFamily("shifts_feed_events_sent", "Events given to clients", value=feed.sent)
        yield CounterMetricFamily(
            "shifts_feed_clients_cut_off", "Clients that fell too far behind", value=feed.cut_off
        )


class TilesCollector(Collector):
    """What statistics are counted from, as far as it is in memory."""

    def __init__(self, tiles: TileCache) -> None:
        self._tiles = tiles

    def collect(self) -> Iterator[Metric]:
        """The bytes."""
        yield GaugeMetricFamily(
            "shifts_tiles_held_bytes",
            "Memory of tiles: bounds, high bits and bookkeeping",
            value=self._tiles.indexes.memory_bytes,
        )


class _Collected(Collector):
    """Figures that were asked for before."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def written(metrics: Sequence[Metric]) -> bytes:
    """Figures as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Collected(metrics))
    return generate_latest(registry)


async def ledger_metrics(connection: AsyncConnection) -> list[Metric]:
    """Totals of the ledger and the weekly work that is open."""
    files = GaugeMetricFamily("shifts_files", "Files in the ledger", labels=["status"])
    rows = GaugeMetricFamily("shifts_rows", "Rows of loaded files", labels=["outcome"])
    totals = {"loaded": 0, "rejected": 0}
    result = await connection.execute(
        text("SELECT status, files, rows_loaded, rows_rejected FROM shifts_store.ledger_totals()")
    )
    for status, count, loaded, rejected in result:
        files.add_metric([status], count)
        if status == "loaded":
            totals = {"loaded": loaded, "rejected": rejected}
    for outcome, total in totals.items():
        rows.add_metric([outcome], total)
    result = await connection.execute(
        text(
            "SELECT count(*), coalesce(extract(epoch FROM now() - min(stale_since)), 0)::float8"
            " FROM shifts_store.region_weeks"
            " WHERE aggregates_revision <> revision OR clusters_revision <> revision"
        )
    )
    pairs, age = result.one()
    # The ledger's changes may have been merged.
    await connection.commit()
    return [
        files,
        rows,
        GaugeMetricFamily("shifts_stale_pairs", "(region, week) pairs waiting for a refresh", pairs),
        GaugeMetricFamily("shifts_oldest_stale_pair_seconds", "How long the oldest of them waits", age),
    ]
