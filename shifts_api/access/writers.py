"""Who may write: whoever knows the key; without a key, programs on this machine."""

import hmac
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request

from shifts_api.access.browser_guard import LOOPBACK_NAMES, is_own_or_listed
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError

_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def may_write(request: Request) -> None:
    """Lets writers through.

    Raises:
        ApiError: 401 without the key, 403 from elsewhere when there is none.
    """
    settings: ApiSettings = request.app.state.settings
    if settings.api_key is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        expected = settings.api_key.get_secret_value().encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), expected):
            raise ApiError(
                401, "An API key is needed: Authorization: Bearer <key>", {"WWW-Authenticate": "Bearer"}
            )
        return
    if not _is_local(request):
        raise ApiError(403, "Without an API key writes are allowed from this machine only")
    origin = request.headers.get("origin")
    if origin is not None and not is_own_or_listed(origin, request.url.netloc, settings.api_cors_origins):
        # A page of another site in a browser on this machine is not this machine's own program, and `*` opens reads.
        raise ApiError(403, f"Pages of {origin[:200]} may not write")


Writer = Annotated[None, Depends(may_write)]


def _is_local(request: Request) -> bool:
    """Whether the client is on this machine, under one of its names, with no proxy speaking for another."""
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    try:
        if request.client is None or not ip_address(request.client.host).is_loopback:
            return False
        return request.url.hostname in LOOPBACK_NAMES
    except ValueError:
        return False
