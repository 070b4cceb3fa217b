"""The web service: its life and every route."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from shifts_api.access.browser_guard import BrowserGuard
from shifts_api.feed.broadcaster import Broadcaster
from shifts_api.openapi import add_docs
from shifts_api.queries.database import create_feed_engine, create_pools
from shifts_api.queries.slow_counts import SlowCounts
from shifts_api.queries.tile_cache import TileCache
from shifts_api.routes import clusters, events, files, health, live, regions, statistics, trips
from shifts_api.settings import ApiSettings
from shifts_api.web.access_log import Observe
from shifts_api.web.errors import install_error_handlers, responses
from shifts_api.web.limits import Limits
from shifts_api.web.metrics import RequestMetrics
from shifts_api.web.uploads import RETRY_OPTIONS
from shifts_core.landing.open_zone import open_zone
from shifts_core.tiles.warm_up import compile_kernels

PREFIX = "/api/v1"
CLEARING_UP_TAKES_S = 0.7
"""What requests get that were broken off at the end; the process does not wait for them by itself."""


def create_app(settings: ApiSettings) -> FastAPI:
    """The service for some settings."""
    metrics = RequestMetrics()
    running: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.pools = create_pools(settings)
        app.state.tiles = TileCache(app.state.pools.reads, settings.api_tiles_bytes)
        app.state.slow_counts = SlowCounts(max(settings.api_pool_size // 5, 1))
        app.state.feed = Broadcaster(create_feed_engine(settings), settings.api_max_listeners)
        app.state.feed.start()
        warming = asyncio.create_task(asyncio.to_thread(compile_kernels))
        reading = asyncio.create_task(app.state.tiles.read_ahead())
        app.state.zone = open_zone(settings.landing_url, retry=RETRY_OPTIONS)
        app.state.zone.delete_partial_uploads()
        yield
        reading.cancel()
        await asyncio.gather(warming, reading, return_exceptions=True)
        if running:
            await asyncio.wait(running, timeout=CLEARING_UP_TAKES_S)
        await app.state.feed.stop()
        await app.state.pools.dispose()

    app = FastAPI(
        title="Shifts",
        version="1",
        summary="Weekly statistics and groups of similar trips, and a live feed of what happens.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    install_error_handlers(app)

    api = APIRouter(prefix=PREFIX, responses=responses(400, 403, 413, 414, 421, 431, 500, 503))
    for module in (statistics, trips, clusters, regions, files, events, live):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(health.router)

    add_docs(app, settings)

    # The last one added is the outermost.
    app.add_middleware(
        Limits,
        max_body_bytes=settings.api_max_body_bytes,
        upload_path=f"{PREFIX}/files",
        max_upload_bytes=settings.api_max_upload_bytes,
    )
    if settings.api_cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.api_cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "X-Request-ID",
            ],
            expose_headers=["X-Request-ID", "Retry-After", "Link"],
        )
    app.add_middleware(BrowserGuard, settings=settings)
    app.add_middleware(Observe, metrics=metrics, prefix=PREFIX, running=running)
    return app
