"""The live feed as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from shifts_api.errors import ApiError, responses
from shifts_api.feed import CutOff, Feed, Wanted

router = APIRouter(tags=["feed"])

TYPES = (
    "run.queued",
    "run.started",
    "run.succeeded",
    "run.failed",
    "run.canceled",
    "file.progress",
    "file.loaded",
    "file.failed",
    "asset.materialized",
    "check.failed",
)
HEARTBEAT_S = 15
STALLED_AFTER_S = 30


@router.get(
    "/events",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **responses(400)},
    summary="Everything that happens, as it happens",
)
async def events(
    request: Request,
    task_id: Annotated[str | None, Query(description="Only this task's events.")] = None,
    run_id: Annotated[str | None, Query(description="Only this run's events.")] = None,
    types: Annotated[
        str | None, Query(description="Only these types, comma separated.", examples=["file.loaded"])
    ] = None,
    last_event_id: Annotated[str | None, Header(description="Resume after this id.")] = None,
) -> EventSourceResponse:
    """Server-sent events with rising ids; a client that reconnects with `Last-Event-ID` misses none."""
    feed: Feed = request.app.state.feed
    chosen = frozenset(types.split(",")) if types else None
    if chosen and (unknown := sorted(chosen - set(TYPES))):
        raise ApiError(400, f"types: unknown {', '.join(unknown)}; there are {', '.join(TYPES)}")
    after = None
    if last_event_id:
        if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 18:
            raise ApiError(400, "Last-Event-ID: the id of an event is needed")
        after = int(last_event_id)
    return EventSourceResponse(
        _stream(feed, Wanted(task_id, run_id, chosen), after),
        ping=HEARTBEAT_S,
        send_timeout=STALLED_AFTER_S,
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(feed: Feed, wanted: Wanted, after: int | None) -> AsyncIterator[ServerSentEvent]:
    try:
        async for written in feed.events(wanted, after):
            yield ServerSentEvent(written.data, event=written.event.type, id=str(written.event.event_id))
    except CutOff:
        return
