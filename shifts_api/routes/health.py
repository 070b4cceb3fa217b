"""Is the service alive, can it answer, and its figures."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shifts_api.feed.feed import Feed
from shifts_api.queries.database import Pools, is_exhausted
from shifts_api.web.metrics import Metrics, ledger_metrics, written

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process lives."""

    status: str = "ok"


class Readiness(BaseModel):
    """What answers and what does not."""

    ready: bool
    database: str = Field(examples=["ok"])
    feed: str = Field(examples=["ok"])
    statistics: str = Field(examples=["ok"])
    writes: str = Field(
        examples=["ok"],
        description="`busy` while every connection for writes is in use; the service is ready all the same.",
    )


@router.get("/health", summary="The process lives")
async def health() -> Health:
    """Says nothing about the database: a restart would not mend that."""
    return Health()


@router.get(
    "/ready",
    summary="The service can answer",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Something is not ready"}},
)
async def ready(request: Request) -> JSONResponse:
    """Whether trips can be read and counted, and events are heard of."""
    pools: Pools = request.app.state.pools
    feed: Feed = request.app.state.feed
    failure = request.app.state.tiles.failure
    try:
        async with pools.probes.connect() as connection:
            await connection.execute(text("SELECT FROM shifts_store.regions LIMIT 1"))
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
        200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
    summary="Figures for Prometheus",
)
async def metrics(request: Request) -> Response:
    """Requests, the feed, the ledger and the open weekly work; the last two while the database answers."""
    pools: Pools = request.app.state.pools
    own: Metrics = request.app.state.metrics
    page = generate_latest(own.registry)
    try:
        async with pools.probes.connect() as connection:
            asked = await ledger_metrics(connection)
    except SQLAlchemyError:
        asked = []
    return Response(page + written(asked), media_type=CONTENT_TYPE_LATEST)
