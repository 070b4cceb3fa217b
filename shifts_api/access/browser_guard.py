"""Which browser pages may use the service: a Host allow-list against DNS rebinding, and a check of origins."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shifts_api.settings import ApiSettings
from shifts_api.web.errors import answer

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PROBES = frozenset({"/health", "/ready"})
"""Load balancers ask for these under names of their own, and they tell nothing about trips."""
_SHOWN = 200


class BrowserGuard:
    """ASGI middleware that refuses what a browser sends on behalf of a page that may not use the service.

    Programs send no `Origin` and no `Sec-Fetch-Site`; for them only the Host counts, and HTTP/1.0 need not name one.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 421 or 403, or passes the request on."""
        is_guarded = scope["type"] in ("http", "websocket") and scope["path"] not in _PROBES
        if is_guarded and (refusal := _refusal(scope, self._settings)):
            await answer(*refusal)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _refusal(scope: Scope, settings: ApiSettings) -> tuple[int, str] | None:
    headers = Headers(scope=scope)
    host, origin = headers.get("host", ""), headers.get("origin")
    if not is_served_host(host, settings):
        return 421, f"Host {host[:_SHOWN]} is not served here; SHIFTS_API_HOSTS names those that are"
    if scope["type"] == "websocket":
        is_foreign = origin is not None and not _may_read(origin, host, settings.api_cors_origins)
    else:
        is_foreign = _is_foreign_request(scope["method"], headers, host, settings.api_cors_origins)
    if is_foreign:
        page = origin[:_SHOWN] if origin else "another site"
        return 403, f"Pages of {page} may not use this service; SHIFTS_API_CORS_ORIGINS names those that may"
    return None


def is_served_host(host: str, settings: ApiSettings) -> bool:
    """Whether a request's Host header is a name of this service.

    A page that made its own name point here (DNS rebinding) sends that name. It cannot do so with an address, so
    addresses are served once the service is bound beyond loopback.
    """
    if not host:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name in LOOPBACK_NAMES or name == settings.api_host.lower() or name in settings.api_hosts:
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not is_loopback(settings.api_host)


def is_loopback(host: str) -> bool:
    """Whether what the service is bound to is reached from this machine only."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_or_listed(origin: str, host: str, origins: Collection[str]) -> bool:
    """Whether an Origin is the service's own under the Host that was asked, or one of `origins`; `*` is none."""
    if origin in origins and origin != "*":
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False


def _may_read(origin: str, host: str, origins: Collection[str]) -> bool:
    return "*" in origins or is_own_or_listed(origin, host, origins)


def _is_foreign_request(method: str, headers: Headers, host: str, origins: Collection[str]) -> bool:
    """Whether a page of another origin sent this, other than by a link that a person followed."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        # Old browsers say nothing: they let the page read no answer, and writes check the Origin.
        return False
    origin = headers.get("origin")
    if origin is not None:
        return not _may_read(origin, host, origins)
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (method in ("GET", "HEAD") and (is_link or "*" in origins))
