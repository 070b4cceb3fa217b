"""Is the service alive, and can it answer."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shifts_api.feed import Feed

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process lives."""

    status: str = "ok"


class Readiness(BaseModel):
    """What answers and what does not."""

    ready: bool
    database: str
    feed: str


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
    """Whether trips can be read and events are heard of."""
    pool: AsyncEngine = request.app.state.pool
    feed: Feed = request.app.state.feed
    try:
        async with pool.connect() as connection:
            await connection.execute(text("SELECT FROM shifts_store.regions LIMIT 1"))
        database = "ok"
    except SQLAlchemyError as error:
        database = type(error).__name__
    state = Readiness(
        ready=database == "ok" and feed.connected,
        database=database,
        feed="ok" if feed.connected else "not connected",
    )
    return JSONResponse(state.model_dump(), 200 if state.ready else 503)
