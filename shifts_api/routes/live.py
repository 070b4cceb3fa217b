"""The original service's WebSocket: a notification to every client when a file is done."""

import asyncio
import contextlib
import json

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from shifts_api.feed.broadcaster import Broadcaster
from shifts_api.feed.event import EventFilter

router = APIRouter()

PING_EVERY_S = 20
STALLED_AFTER_S = 10
_DONE = EventFilter(types=frozenset({"file.loaded", "file.failed"}))
_PING = json.dumps({"type": "ping"})
_PONG = json.dumps({"type": "pong"})
_TRY_AGAIN_LATER = 1013


@router.websocket("/trips/live")
async def live(socket: WebSocket) -> None:
    """Pings now and then, answers pings, and tells of every file that is done."""
    feed: Broadcaster = socket.app.state.feed
    await socket.accept()
    if feed.is_full:
        await socket.close(_TRY_AGAIN_LATER)
        return
    tasks = [asyncio.create_task(work) for work in (_tell(socket, feed), _ping(socket), _hear(socket))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            # A client that went away, or takes nothing, ends all three; anything else is a fault of ours.
            if isinstance(result, Exception) and not isinstance(
                result, (WebSocketDisconnect, TimeoutError, RuntimeError)
            ):
                raise result
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close()


async def _tell(socket: WebSocket, feed: Broadcaster) -> None:
    async for batch in feed.follow(_DONE, None):
        for event in batch:
            await _send(socket, event.notification)


async def _ping(socket: WebSocket) -> None:
    while True:
        await asyncio.sleep(PING_EVERY_S)
        await _send(socket, _PING)


async def _hear(socket: WebSocket) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(message.get("text") or message.get("bytes") or "")
            if isinstance(said, dict) and said.get("type") == "ping":
                await _send(socket, _PONG)


async def _send(socket: WebSocket, text: str) -> None:
    await asyncio.wait_for(socket.send_text(text), STALLED_AFTER_S)
