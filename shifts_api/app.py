"""The web service: its lifespan, its middleware and its routes.

GET   /api/v1/trips/stats                  statistics   weekly mean of a box, the original service's call
GET   /api/v1/trips/weekly                 statistics   trips per week in a box, polygon or zone
POST  /api/v1/trips/weekly                 statistics   the same for long polygons
GET   /api/v1/trips/profile                planning     trips by weekday and hour
GET   /api/v1/trips/matrix                 planning     trips between zones
GET   /api/v1/trips/extent                 density      where a region lies
GET   /api/v1/trips/density/{zoom}/{x}/{y}  density     where trips begin and end, as a map tile
POST  /api/v1/trips                        trips        a list of trips, or the name of a file
GET   /api/v1/trips/{trip_id}/cluster      clusters     the cluster of a trip
WS    /api/v1/trips/live                   live         the original service's notifications
GET   /api/v1/clusters                     clusters     the clusters of a region's week
GET   /api/v1/clusters/{cluster_id}        clusters     one cluster
GET   /api/v1/clusters/{cluster_id}/trips  clusters     its trips
GET   /api/v1/shifts                       shifts       the shifts of a region
GET   /api/v1/shifts/coverage              coverage     trips that the best shifts serve
GET   /api/v1/shifts/{shift_id}            shifts       one shift and its history
GET   /api/v1/shifts/{shift_id}/trips      shifts       its trips
GET   /api/v1/trips/{trip_id}/shift        shifts       the shift of a trip
GET   /api/v1/fleet                        fleet        vehicles for a day's departures
GET   /api/v1/gtfs                         fleet        shifts as a GTFS feed
GET   /api/v1/zones                        zones        zones, such as districts
POST  /api/v1/zones                        zones        store a feature collection of zones
GET   /api/v1/zones/{name}                 zones        one zone
PUT   /api/v1/zones/{name}                 zones        store a zone
DELETE /api/v1/zones/{name}                zones        delete a zone
GET   /api/v1/regions                      regions      the regions and the number of their trips
GET   /api/v1/files                        files        the ledger
POST  /api/v1/files                        files        an upload into the landing zone
GET   /api/v1/files/{file_id}              files        one file
DELETE /api/v1/files/{file_id}             deletions    delete a file and all that was computed from it
GET   /api/v1/files/{file_id}/rejects      files        its rejected rows
GET   /api/v1/events                       events       the feed as server-sent events
POST  /api/v1/session                      session      a cookie in place of the key, for pages
GET   /api/v1/session                      session      what the sender may do
DELETE /api/v1/session                     session      ends the session
GET   /api/v1/audit                        audit        who read single trips, exported, deleted or changed keys
GET   /health                              health       liveness
GET   /ready                               health       readiness
GET   /metrics                             health       metrics for Prometheus

The page at `/`, with its files below `/page`, and the documentation at `/docs` are not part of the API.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from shifts_api.access.authentication import AuthenticationMiddleware
from shifts_api.access.authorization import AUDITED, AUTHORIZED, require_rules
from shifts_api.access.browser_guard import BrowserGuard
from shifts_api.access.key_ring import KeyRing
from shifts_api.access.rules import PREFIX
from shifts_api.feed.broadcaster import Broadcaster
from shifts_api.openapi import add_docs
from shifts_api.page import add_page
from shifts_api.queries.counters import create_counters
from shifts_api.queries.database import create_feed_engine, create_key_engine, create_pools
from shifts_api.queries.workers import Workers
from shifts_api.routes import (
    audit,
    clusters,
    coverage,
    deletions,
    density,
    events,
    files,
    fleet,
    health,
    live,
    planning,
    regions,
    session,
    shifts,
    statistics,
    trips,
    zones,
)
from shifts_api.settings import ApiSettings
from shifts_api.web.access_log import AccessLogMiddleware
from shifts_api.web.errors import METHODS, install_error_handlers, responses
from shifts_api.web.event_stream import OpenStreams
from shifts_api.web.known_parameters import KNOWN_PARAMETERS_ONLY
from shifts_api.web.limits import LimitsMiddleware
from shifts_api.web.metrics import RequestMetrics
from shifts_api.web.uploads import RETRY_OPTIONS
from shifts_core.access.failed_attempts import FailedAttempts
from shifts_core.landing.open_zone import open_zone
from shifts_core.tiles.warm_up import compile_building, compile_counting

ORIGINAL_ROUTERS = (statistics.original_router, trips.router, live.router)
"""The original service's calls."""
ROUTERS = tuple(
    module.router
    for module in (
        statistics,
        planning,
        density,
        clusters,
        # Before the shifts: its path is not the id of one.
        coverage,
        shifts,
        fleet,
        regions,
        zones,
        files,
        deletions,
        events,
        session,
        audit,
    )
)
_CANCELLED_REQUESTS_S = 0.7
"""How long cancelled requests may take to clean up at shutdown; uvicorn does not wait for them."""
_KERNELS_S = 2
"""How long the start waits for kernels that were compiled before."""


def create_app(settings: ApiSettings) -> FastAPI:
    """The ASGI application for these settings."""
    metrics = RequestMetrics()
    running: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state = app.state
        state.pools = create_pools(settings)
        state.keys = KeyRing(
            create_key_engine(settings), state.pools.probes, settings.api_key, settings.min_count
        )
        state.keys.start()
        state.counters = create_counters(state.pools.reads, settings)
        state.feed = Broadcaster(
            create_feed_engine(settings), settings.api_max_listeners, settings.dagster_base_url
        )
        state.feed.start()
        state.streams = OpenStreams()
        watching = asyncio.create_task(state.streams.watch())
        reading = [asyncio.create_task(each.tiles.read_ahead()) for each in state.counters.present]
        counting = asyncio.create_task(asyncio.to_thread(compile_counting))
        state.zone = open_zone(settings.landing_url, retry=RETRY_OPTIONS)
        state.zone.delete_partial_uploads()
        # Kernels that load would slow down the first answers. Compiling them takes far longer: that is not awaited.
        await asyncio.wait([counting], timeout=_KERNELS_S)
        building = asyncio.create_task(_compile_building(counting))
        yield
        for task in (*reading, watching):
            task.cancel()
        await asyncio.gather(building, *reading, watching, return_exceptions=True)
        if running:
            await asyncio.wait(running, timeout=_CANCELLED_REQUESTS_S)
        for each in state.counters.present:
            await each.reads.stop()
        await state.feed.stop()
        await state.keys.stop()
        await state.pools.dispose()

    app = FastAPI(
        title="Shifts",
        version="1",
        summary="Weekly statistics and clusters of similar trips, and a live feed of events.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.failed_attempts = FailedAttempts()
    app.state.workers = Workers()
    install_error_handlers(app)
    api = APIRouter(
        prefix=PREFIX,
        dependencies=[AUTHORIZED],
        responses=responses(400, 401, 403, 413, 414, 421, 429, 431, 500, 503),
    )
    for router in (*ORIGINAL_ROUTERS, *ROUTERS):
        require_rules(router)
    for router in ORIGINAL_ROUTERS:
        api.include_router(router)
    for router in ROUTERS:
        api.include_router(router, dependencies=[KNOWN_PARAMETERS_ONLY, AUDITED])
    app.include_router(api)
    app.include_router(
        session.public_router,
        prefix=PREFIX,
        dependencies=[KNOWN_PARAMETERS_ONLY],
        responses=responses(400, 403, 413, 414, 421, 431, 500, 503),
    )
    app.include_router(health.router, dependencies=[KNOWN_PARAMETERS_ONLY])
    add_docs(app, settings, PREFIX)
    add_page(app, settings.basemap)
    _add_middleware(app, settings, metrics, running)
    return app


async def _compile_building(counting: asyncio.Task[None]) -> None:
    """Compiles what posts need after what most requests need."""
    await counting
    await asyncio.to_thread(compile_building)


def _add_middleware(
    app: FastAPI, settings: ApiSettings, metrics: RequestMetrics, running: set[asyncio.Task[object]]
) -> None:
    """Adds the middleware, the innermost first."""
    app.add_middleware(AuthenticationMiddleware, settings=settings, prefix=PREFIX)
    app.add_middleware(LimitsMiddleware, settings=settings, upload_path=f"{PREFIX}/files")
    if settings.api_cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.api_cors_origins,
            allow_methods=METHODS,
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-None-Match",
                "Last-Event-ID",
                "X-Request-ID",
            ],
            expose_headers=["ETag", "X-Request-ID", "Retry-After", "Link"],
        )
    app.add_middleware(BrowserGuard, settings=settings)
    app.add_middleware(AccessLogMiddleware, metrics=metrics, prefix=PREFIX, running=running)
