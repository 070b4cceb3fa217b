"""How large and how slow a request may be, and characters that no parameter holds."""

import asyncio
import re
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shifts_api.web.errors import ApiError, answer

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 32 * 1024
STALLED_AFTER_S = 15
"""A body of which nothing comes for so long is not waited for."""
_HOST = re.compile(r"[A-Za-z0-9._~%-]*(?::\d*)?|\[[0-9A-Fa-f:.]+\](?::\d*)?")


class Limits:
    """ASGI middleware; what is too large is refused unread, or while it is read if it hid its size."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, upload_path: str, max_upload_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._upload_path = upload_path
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses the request or passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_upload_bytes if scope["path"] == self._upload_path else self._max_body_bytes
        if refused := _refusal(scope, limit):
            await answer(*refused)(scope, receive, send)
            return
        size, complete = 0, False

        async def watched() -> Message:
            nonlocal size, complete
            try:
                # After its body a client has nothing to say, and an answer may take as long as it likes.
                async with asyncio.timeout(None if complete else STALLED_AFTER_S):
                    message = await receive()
            except TimeoutError:
                raise ApiError(408, "The body does not come", {"Connection": "close"}) from None
            size += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if size > limit:
                raise ApiError(413, _too_large(limit), {"Connection": "close"})
            return message

        await self._app(scope, watched, send)


def _refusal(scope: Scope, limit: int) -> tuple[int, str] | None:
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        return 414, f"The address is longer than {MAX_URL_BYTES} bytes"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        return 431, f"The headers are longer than {MAX_HEADER_BYTES} bytes"
    if "\0" in scope["path"] or b"\0" in unquote_to_bytes(scope["query_string"]):
        return 400, "The address holds a NUL character"
    headers = Headers(scope=scope)
    if not _is_host(headers.getlist("host")):
        return 400, "Host is no name of a host"
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return 400, "Content-Length is no number"
    if int(length) > limit:
        return 413, _too_large(limit)
    return None


def _is_host(given: list[str]) -> bool:
    """Whether the request names one host, or none: addresses in answers are made of it."""
    if len(given) > 1 or not all(_HOST.fullmatch(host) for host in given):
        return False
    try:
        return all(urlsplit(f"//{host}").port != 0 for host in given)
    except ValueError:
        return False


def _too_large(limit: int) -> str:
    return f"The body is larger than {limit} bytes"
