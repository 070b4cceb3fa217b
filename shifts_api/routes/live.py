"""The original service's WebSocket: notifies every client when a file is done."""

import asyncio
import contextlib
import json
from dataclasses import replace

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from shifts_api.feed.broadcaster import Broadcaster
from shifts_api.feed.event import EventFilter
from shifts_api.web.endings import first_of
from shifts_api.web.identity import identity_of

router = APIRouter()

PING_INTERVAL_S = 20
SEND_TIMEOUT_S = 10
_FILE_DONE = EventFilter(types=frozenset({"file.loaded", "file.failed"}))
_PING = json.dumps({"type": "ping"})
_PONG = json.dumps({"type": "pong"})
_TRY_AGAIN_LATER = 1013


@router.websocket("/trips/live")
async def follow_files(socket: WebSocket) -> None:
    """Sends notifications and pings, and answers pings, until the client disconnects."""
    feed: Broadcaster = socket.app.state.feed
    await socket.accept()
    if feed.is_full:
        await socket.close(_TRY_AGAIN_LATER)
        return
    identity = identity_of(socket)
    event_filter = replace(_FILE_DONE, rights=identity.rights)
    work = (_send_notifications(socket, feed, event_filter), _send_pings(socket), _answer_pings(socket))
    tasks = [asyncio.create_task(each) for each in work]
    try:
        with first_of(identity.endings) as end:
            await asyncio.wait(
                [*tasks, end], timeout=identity.seconds_left, return_when=asyncio.FIRST_COMPLETED
            )
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            # A client that disconnects or stops reading ends all tasks; any other exception is a fault.
            if isinstance(result, Exception) and not isinstance(
                result, (WebSocketDisconnect, TimeoutError, RuntimeError)
            ):
                raise result
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close()


async def _send_notifications(socket: WebSocket, feed: Broadcaster, event_filter: EventFilter) -> None:
    async for batch in feed.follow(event_filter, None):
        for event in batch:
            await _send(socket, event.notification_for(event_filter))


async def _send_pings(socket: WebSocket) -> None:
    while True:
        await asyncio.sleep(PING_INTERVAL_S)
        await _send(socket, _PING)


async def _answer_pings(socket: WebSocket) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        with contextlib.suppress(ValueError, RecursionError):
            content = json.loads(message.get("text") or message.get("bytes") or "")
            if isinstance(content, dict) and content.get("type") == "ping":
                await _send(socket, _PONG)


async def _send(socket: WebSocket, text: str) -> None:
    await asyncio.wait_for(socket.send_text(text), SEND_TIMEOUT_S)
