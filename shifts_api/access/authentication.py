"""Who sends a request: the key in `Authorization`, or the cookie of a session, for every path below `/api/v1`."""

import math
import time
from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from shifts_api.access.key_ring import KeyRing
from shifts_api.access.rules import PUBLIC
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError, answer
from shifts_api.web.identity import Identity, set_identity
from shifts_core.access.failed_attempts import FailedAttempts
from shifts_core.browser_requests import is_same_origin

COOKIE = "shifts_session"
NEEDED = "An API key is needed: Authorization: Bearer <key>"
NO_KEY = (
    "SHIFTS_API_HOST is reachable from other machines and no API key exists: set SHIFTS_API_KEY, add a key with"
    " `shifts keys add`, or set SHIFTS_API_OPEN_READS=true"
)
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class AuthenticationMiddleware:
    """ASGI middleware that answers 401, 403 or 429, or passes the request on with its identity.

    Args:
        app: the application.
        settings: in force.
        prefix: of the paths that need a key.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings, prefix: str) -> None:
        self._app = app
        self._prefix = prefix
        self._may_be_open = settings.may_be_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Identifies the sender before a byte of the body is read."""
        if scope["type"] in ("http", "websocket") and f"{scope['path']}/".startswith(f"{self._prefix}/"):
            try:
                identity = await self._identify(HTTPConnection(scope))
            except ApiError as error:
                await answer(error.status, error.message, error.headers)(scope, receive, send)
                return
            if identity is not None:
                set_identity(scope.setdefault("state", {}), identity)
        await self._app(scope, receive, send)

    async def _identify(self, request: HTTPConnection) -> Identity | None:
        keys: KeyRing = request.app.state.keys
        await keys.wait_until_read()
        scope = request.scope
        if (scope.get("method"), scope["path"]) == (PUBLIC[0], self._prefix + PUBLIC[1]):
            return None
        if not keys.has_keys:
            if not self._may_be_open:
                raise ApiError(403, NO_KEY)
            return keys.anonymous()
        authorization = request.headers.get("authorization")
        if authorization is not None:
            scheme, _, given = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise ApiError(401, NEEDED, _CHALLENGE)
            return await admit(request, given.strip(), keys.find_key)
        token = request.cookies.get(COOKIE)
        if token is None:
            raise ApiError(401, NEEDED, _CHALLENGE)
        identity = await admit(request, token, keys.find_session)
        if _may_change_data(scope) and not is_same_origin(request.headers):
            raise ApiError(403, "With the cookie of a session, writes need a request of the same origin")
        return identity


async def admit(request: HTTPConnection, given: str, find: Callable[[str], Identity | None]) -> Identity:
    """Whose key or token it is, unless it is wrong, or too many wrong ones came from the address.

    Args:
        request: of the client.
        given: the key or the token.
        find: finds the identity; None if it is wrong.

    Raises:
        ApiError: 401, or 429 with the time after which the client may try again.
    """
    attempts: FailedAttempts = request.app.state.failed_attempts
    keys: KeyRing = request.app.state.keys
    client, now = address_of(request), time.monotonic()
    identity = find(given)
    wait_s = attempts.blocked_for(client, None if identity is None else identity.prefix, now)
    if wait_s > 0:
        raise ApiError(429, "Too many wrong keys, try again later", {"Retry-After": str(math.ceil(wait_s))})
    if identity is None:
        if not keys.is_outdated(given):
            attempts.record_failure(client, now)
        if keys.may_be_new(given):
            await keys.read_again()
            identity = find(given)
        if identity is None:
            raise ApiError(401, NEEDED, _CHALLENGE)
    attempts.record_success(client, identity.prefix)
    return identity


def address_of(request: HTTPConnection) -> str:
    """The client's address: of the proxy, if one is between."""
    return request.client.host if request.client else "unknown"


def _may_change_data(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")
