"""The web service: its life and every route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from shifts_api.database import create_pool
from shifts_api.errors import install_error_handlers
from shifts_api.feed import Feed
from shifts_api.routes import events, files, health, statistics
from shifts_api.settings import ApiSettings

PREFIX = "/api/v1"


def create_app(settings: ApiSettings) -> FastAPI:
    """The service for some settings."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = create_pool(settings.database_url)
        app.state.feed = Feed(settings.dagster_database_url)
        await app.state.feed.start()
        yield
        await app.state.feed.stop()
        await app.state.pool.dispose()

    app = FastAPI(
        title="Shifts",
        version="1",
        summary="Weekly statistics and groups of similar trips, and a live feed of what happens.",
        lifespan=life,
    )
    install_error_handlers(app)
    app.include_router(statistics.router, prefix=PREFIX)
    app.include_router(files.router, prefix=PREFIX)
    app.include_router(events.router, prefix=PREFIX)
    app.include_router(health.router)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    return app
