"""Routes for those who operate the service: liveness, readiness and Prometheus metrics."""

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from shifts_api.feed.broadcaster import Broadcaster
from shifts_api.queries.database import Pools, is_exhausted
from shifts_api.queries.metrics import read_database_metrics
from shifts_api.queries.tile_cache import TileCache
from shifts_api.web.metrics import RequestMetrics
from shifts_core.schema.tables import regions

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process is alive."""

    status: str = Field("ok", examples=["ok"])


class Readiness(BaseModel):
    """Which parts of the service can answer."""

    ready: bool = Field(examples=[True])
    database: str = Field(examples=["ok"])
    feed: str = Field(examples=["ok"])
    statistics: str = Field(examples=["ok"])
    writes: str = Field(
        examples=["ok"],
        description="`busy` while every connection for writes is in use, which does not affect `ready`.",
    )


@router.get("/health", summary="Liveness of the process")
async def get_health() -> Health:
    """Liveness only: a restart cannot fix a database outage."""
    return Health()


@router.get(
    "/ready",
    summary="Readiness to answer",
    response_model=Readiness,
    responses={
        503: {
            "model": Readiness,
            "description": "At least one part is not ready",
            "content": {
                "application/json": {
                    "example": {
                        "ready": False,
                        "database": "ok",
                        "feed": "not connected",
                        "statistics": "ok",
                        "writes": "ok",
                    }
                }
            },
        }
    },
)
async def get_readiness(request: Request) -> JSONResponse:
    """Whether trips can be read and counted, and events are received."""
    pools: Pools = request.app.state.pools
    feed: Broadcaster = request.app.state.feed
    failure = request.app.state.tiles.failure
    try:
        async with pools.probes.connect() as connection:
            await connection.execute(select(regions.c.region_id).limit(1))
        database = "ok"
    except SQLAlchemyError as error:
        database = f"not reachable ({type(error).__name__})"
    state = Readiness(
        ready=database == "ok" and feed.connected and failure is None,
        database=database,
        feed="ok" if feed.connected else "not connected",
        writes="busy" if is_exhausted(pools.writes) else "ok",
        statistics="ok" if failure is None else f"tiles are not readable ({failure})",
    )
    return JSONResponse(state.model_dump(), 200 if state.ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "The text format of Prometheus",
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": "# TYPE shifts_feed_clients gauge\nshifts_feed_clients 3.0\n",
                }
            },
        }
    },
    summary="Metrics for Prometheus",
)
async def get_metrics(request: Request) -> Response:
    """Requests, the feed, memory for tiles, and, while the database answers, the ledger and stale pairs."""
    state = request.app.state
    metrics = [*_feed_metrics(state.feed), *_tile_metrics(state.tiles)]
    try:
        async with state.pools.probes.connect() as connection:
            metrics += await read_database_metrics(connection)
    except SQLAlchemyError:
        # The metrics of the process itself are needed most during an outage.
        pass
    requests: RequestMetrics = state.metrics
    registry = CollectorRegistry()
    registry.register(_ReadMetrics(metrics))
    content = generate_latest(requests.registry) + generate_latest(registry)
    return Response(content, media_type=CONTENT_TYPE_LATEST)


def _feed_metrics(feed: Broadcaster) -> Iterator[Metric]:
    yield GaugeMetricFamily("shifts_feed_connected", "Whether the feed listens to the outbox", feed.connected)
    yield GaugeMetricFamily("shifts_feed_clients", "Clients of the feed", feed.clients)
    yield CounterMetricFamily("shifts_feed_events_received", "Events read from the outbox", feed.received)
    yield CounterMetricFamily("shifts_feed_events_delivered", "Events delivered to clients", feed.delivered)
    yield CounterMetricFamily("shifts_feed_clients_dropped", "Clients that fell too far behind", feed.dropped)


def _tile_metrics(tiles: TileCache) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "shifts_tiles_held_bytes",
        "Memory of tiles: bounds, high bits and bookkeeping",
        tiles.indexes.memory_bytes,
    )


class _ReadMetrics(Collector):
    """Metrics that were read before they are formatted."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
