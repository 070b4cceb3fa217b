"""Who may write while no API key exists: programs on this machine."""

from fastapi import Request

from shifts_api.access.browser_guard import is_own_or_listed
from shifts_api.settings import ApiSettings
from shifts_api.web.errors import ApiError
from shifts_core.browser_requests import is_loopback

_PROXY_HEADERS = frozenset(
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
)


def check_local_writer(request: Request) -> None:
    """Accepts requests of this machine that may write.

    Raises:
        ApiError: 403 if the client is not local, or is a page of another site.
    """
    if not _is_local(request):
        raise ApiError(403, "Without an API key writes are allowed from this machine only")
    settings: ApiSettings = request.app.state.settings
    origin = request.headers.get("origin")
    if origin is not None and not is_own_or_listed(origin, request.url.netloc, settings.api_cors_origins):
        # A page of another site may run in a browser on this machine; the wildcard allows reads only.
        raise ApiError(403, f"Pages of {origin[:200]} may not write")


def _is_local(request: Request) -> bool:
    """Whether the client is on this machine, addressed it by a loopback name, and no proxy is between."""
    if request.client is None or not _PROXY_HEADERS.isdisjoint(request.headers):
        return False
    try:
        host = request.url.hostname or ""
    except ValueError:
        return False
    return is_loopback(request.client.host) and is_loopback(host)
