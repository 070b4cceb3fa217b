"""Who may write: clients with the API key; if none is set, programs on this machine."""

import hmac
from typing import Annotated

from fastapi import Depends, Request

from shifts_api.access.browser_guard import is_own_or_listed
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError
from shifts_core.browser_requests import is_loopback

_PROXY_HEADERS = frozenset(
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
)


def check_writer(request: Request) -> None:
    """Accepts requests that may write.

    Raises:
        ApiError: 401 if the key is missing or wrong; 403 if no key is set and the client is not local.
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
        # A page of another site may run in a browser on this machine; the wildcard allows reads only.
        raise ApiError(403, f"Pages of {origin[:200]} may not write")


Writer = Annotated[None, Depends(check_writer)]


def _is_local(request: Request) -> bool:
    """Whether the client is on this machine, addressed it by a loopback name, and no proxy is between."""
    if request.client is None or not _PROXY_HEADERS.isdisjoint(request.headers):
        return False
    try:
        host = request.url.hostname or ""
    except ValueError:
        return False
    return is_loopback(request.client.host) and is_loopback(host)
