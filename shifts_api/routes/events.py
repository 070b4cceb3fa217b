"""The feed as server-sent events."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sqlalchemy.exc import SQLAlchemyError

from shifts_api.feed.broadcaster import Broadcaster
from shifts_api.feed.event import TYPES, Event, EventFilter
from shifts_api.feed.window import EventBatch
from shifts_api.web.errors import ApiError
from shifts_api.web.event_stream import EventStream
from shifts_api.web.http_protocol import pushing
from shifts_api.web.identity import identity_of
from shifts_api.web.parameters import ID_PATTERN, RUN_ID, TASK_ID

router = APIRouter(tags=["feed"])

_EXAMPLE = (
    "id: 42\r\nevent: file.loaded\r\n"
    'data: {"status": "loaded", "file_id": 7, "rows_loaded": 186, "rows_rejected": 1,'
    ' "url": "http://127.0.0.1:3000/runs/0c5e…", "run_id": "0c5e…",'
    ' "task_id": "9f3a…", "task_ids": ["9f3a…"], "asset": "raw_trips", "partition": "trips.csv",'
    ' "time": "2026-11-23T21:00:00+00:00",'
    ' "message": "trips.csv: 186 trips loaded"}'
    "\r\n\r\n"
)


@router.get(
    "/events",
    response_class=EventStream,
    status_code=200,
    responses={
        200: {
            "description": "An endless stream of events, with a comment every 15 seconds",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        }
    },
    summary="The live feed of events",
)
async def follow_events(
    request: Request,
    task_id: Annotated[
        str | None, Query(description="Only events of this task.", pattern=ID_PATTERN, examples=[TASK_ID])
    ] = None,
    run_id: Annotated[
        str | None, Query(description="Only events of this run.", pattern=ID_PATTERN, examples=[RUN_ID])
    ] = None,
    types: Annotated[
        str | None,
        Query(
            description=f"Only these types, comma separated: {', '.join(TYPES)}.",
            examples=["file.loaded,file.failed"],
            pattern=r"^[a-z]+\.[a-z]+(,[a-z]+\.[a-z]+)*$",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(
            description="Resume after this id; 0 replays all events that are kept.",
            pattern=r"^\d{1,18}$",
            examples=["41"],
        ),
    ] = None,
) -> EventStream:
    """Server-sent events with ascending ids; a client that sends `Last-Event-ID` receives each event once.

    A key that is limited to regions receives the events that name its regions and no other (`file.loaded`).
    """
    feed: Broadcaster = request.app.state.feed
    chosen = frozenset(types.split(",")) if types else None
    if chosen and (unknown := sorted(chosen - set(TYPES))):
        raise ApiError(400, f"types: unknown {', '.join(unknown)}; known are {', '.join(TYPES)}")
    if feed.is_full:
        raise ApiError(503, "Too many listeners, try again", {"Retry-After": "10"})
    after = None if last_event_id is None else int(last_event_id)
    identity = identity_of(request)
    event_filter = EventFilter(task_id, run_id, chosen, identity.rights)
    pieces = _stream(feed, event_filter, after, pushing(request.scope))
    return EventStream(pieces, request.app.state.streams, identity.endings, identity.seconds_left)


async def _stream(
    feed: Broadcaster, event_filter: EventFilter, after: int | None, push: Callable[[bytes], bool] | None
) -> AsyncGenerator[bytes]:
    def encode(batch: Sequence[Event]) -> bytes:
        if isinstance(batch, EventBatch):
            return batch.frames
        return b"".join(event.frame_for(event_filter) for event in batch)

    yield b": connected\r\n\r\n"
    push_events = None if push is None else lambda batch: push(encode(batch))
    try:
        async for batch in feed.follow(event_filter, after, push_events):
            yield encode(batch)
    except SQLAlchemyError:
        # The outbox cannot be read now: the client resumes with its last id.
        return
