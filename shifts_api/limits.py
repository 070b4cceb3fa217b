"""How large a request may be before anything looks at it, and characters that no parameter holds."""

from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shifts_api.errors import ApiError, answer

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 32 * 1024


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
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise ApiError(413, _too_large(limit), {"Connection": "close"})
            return message

        await self._app(scope, counted, send)


def _refusal(scope: Scope, limit: int) -> tuple[int, str] | None:
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        return 414, f"The address is longer than {MAX_URL_BYTES} bytes"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        return 431, f"The headers are longer than {MAX_HEADER_BYTES} bytes"
    if "\0" in scope["path"] or b"\0" in unquote_to_bytes(scope["query_string"]):
        return 400, "The address holds a NUL character"
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal():
        return 400, "Content-Length is no number"
    if int(length) > limit:
        return 413, _too_large(limit)
    return None


def _too_large(limit: int) -> str:
    return f"The body is larger than {limit} bytes"
