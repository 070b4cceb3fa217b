"""Limits on the size and the speed of requests, and characters that no parameter may contain."""

import asyncio
import re
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError, answer

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 32 * 1024
BODY_TIMEOUT_S = 15
"""Between two parts of a body."""
_HOST = re.compile(r"[A-Za-z0-9._~%-]*(?::\d*)?|\[[0-9A-Fa-f:.]+\](?::\d*)?")


class LimitsMiddleware:
    """ASGI middleware that refuses large requests unread, or while they are read if their size was not declared."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, upload_path: str) -> None:
        self._app = app
        self._max_body_bytes = settings.api_max_body_bytes
        self._max_upload_bytes = settings.api_max_upload_bytes
        self._upload_path = upload_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses the request or passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_upload_bytes if scope["path"] == self._upload_path else self._max_body_bytes
        if refusal := _find_refusal(scope, limit):
            await answer(*refusal)(scope, receive, send)
            return
        size, complete = 0, False

        async def receive_within_limits() -> Message:
            nonlocal size, complete
            try:
                # After the body the client has nothing to send, and the answer may take any time.
                async with asyncio.timeout(None if complete else BODY_TIMEOUT_S):
                    message = await receive()
            except TimeoutError:
                raise ApiError(
                    408, f"No part of the body arrived for {BODY_TIMEOUT_S} s", {"Connection": "close"}
                ) from None
            size += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if size > limit:
                raise ApiError(413, _too_large(limit), {"Connection": "close"})
            return message

        await self._app(scope, receive_within_limits, send)


def _find_refusal(scope: Scope, limit: int) -> tuple[int, str] | None:
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        return 414, f"The URL is longer than {MAX_URL_BYTES} bytes"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        return 431, f"The headers are longer than {MAX_HEADER_BYTES} bytes"
    if "\0" in scope["path"] or b"\0" in unquote_to_bytes(scope["query_string"]):
        return 400, "The URL contains a NUL character"
    headers = Headers(scope=scope)
    if not _is_valid_host(headers.getlist("host")):
        return 400, "The Host header is invalid"
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return 400, "Content-Length is not a number"
    return (413, _too_large(limit)) if int(length) > limit else None


def _is_valid_host(hosts: list[str]) -> bool:
    """Whether the request names at most one host; links in answers are built from it."""
    try:
        return len(hosts) <= 1 and all(
            _HOST.fullmatch(host) and urlsplit(f"//{host}").port != 0 for host in hosts
        )
    except ValueError:
        return False


def _too_large(limit: int) -> str:
    return f"The body is larger than {limit} bytes"
