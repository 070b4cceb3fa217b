"""Routes for those who operate the service: liveness, readiness and Prometheus metrics."""

from contextlib import suppress
from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from shifts_api.feed.broadcaster import Broadcaster
from shifts_api.queries.counters import AllCounters
from shifts_api.queries.database import Pools, is_exhausted
from shifts_api.queries.metrics import read_database_metrics
from shifts_api.queries.workers import Workers
from shifts_api.web.metrics import RequestMetrics
from shifts_core.schema.tables import regions

router = APIRouter(tags=["operations"])

WORKERS = Field(
    None,
    examples=["ok"],
    description="Of a database on several servers: which do not answer. Requests for their regions get 503, which"
    " does not affect `ready`: the others are served.",
)


class Health(BaseModel):
    """The process is alive."""

    status: str = Field("ok", examples=["ok"])
    workers: str | None = WORKERS


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
    workers: str | None = WORKERS


_NOT_READY = Readiness(ready=False, database="ok", feed="not connected", statistics="ok", writes="ok")


@router.get("/health", summary="Liveness of the process", response_model_exclude_none=True)
async def get_health(request: Request) -> Health:
    """Liveness only: a restart cannot fix a database outage. What it says of workers is what `/ready` found last."""
    workers: Workers = request.app.state.workers
    return Health(workers=workers.state)


@router.get(
    "/ready",
    summary="Readiness to answer",
    response_model=Readiness,
    responses={
        503: {
            "model": Readiness,
            "description": "At least one part is not ready",
            "content": {"application/json": {"example": _NOT_READY.model_dump(exclude_none=True)}},
        }
    },
)
async def get_readiness(request: Request) -> JSONResponse:
    """Whether trips can be read and counted, and events are received."""
    pools: Pools = request.app.state.pools
    feed: Broadcaster = request.app.state.feed
    counters: AllCounters = request.app.state.counters
    workers: Workers = request.app.state.workers
    failure = next((each.tiles.failure for each in counters.present if each.tiles.failure), None)
    try:
        async with pools.probes.connect() as connection:
            await connection.execute(select(regions.c.region_id).limit(1))
            await workers.check(connection)
        database = "ok"
    except SQLAlchemyError as error:
        database = f"not reachable ({type(error).__name__})"
    state = Readiness(
        ready=database == "ok" and feed.connected and failure is None,
        database=database,
        feed="ok" if feed.connected else "not connected",
        writes="busy" if is_exhausted(pools.writes) else "ok",
        statistics="ok" if failure is None else f"tiles are not readable ({failure})",
        workers=workers.state,
    )
    return JSONResponse(state.model_dump(exclude_none=True), 200 if state.ready else 503)


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
    requests: RequestMetrics = state.metrics
    registry = CollectorRegistry()
    _add_feed_metrics(state.feed, registry)
    counters: AllCounters = state.counters
    memory = Gauge(
        "shifts_tiles_held_bytes", "Memory of tiles: bounds, high bits and bookkeeping", registry=registry
    )
    memory.set(sum(each.tiles.indexes.memory_bytes for each in counters.present))
    # During an outage of the database the metrics of the process itself are needed most.
    with suppress(SQLAlchemyError):
        async with state.pools.probes.connect() as connection:
            await read_database_metrics(connection, registry)
    content = generate_latest(requests.registry) + generate_latest(registry)
    return Response(content, media_type=CONTENT_TYPE_LATEST)


def _add_feed_metrics(feed: Broadcaster, registry: CollectorRegistry) -> None:
    gauge, counter = partial(Gauge, registry=registry), partial(Counter, registry=registry)
    gauge("shifts_feed_connected", "Whether the feed listens to the outbox").set(feed.connected)
    gauge("shifts_feed_clients", "Clients of the feed").set(feed.clients)
    counter("shifts_feed_events_received", "Events read from the outbox").inc(feed.received)
    counter("shifts_feed_events_delivered", "Events delivered to clients").inc(feed.delivered)
    counter("shifts_feed_clients_dropped", "Clients that fell too far behind").inc(feed.dropped)
