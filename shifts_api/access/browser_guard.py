"""Which web pages may use the service from a browser: a Host allow-list and a check of origins."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shifts_api.settings import ApiSettings
from shifts_api.web.errors import answer
from shifts_core.browser_requests import (
    is_followed_link,
    is_from_other_site,
    is_loopback,
    is_own_origin,
    is_served_host,
)

_PROBES = frozenset({"/health", "/ready"})
"""Load balancers request these under host names of their own; the answers contain no trips."""
_MAX_SHOWN = 200


class BrowserGuard:
    """ASGI middleware that refuses requests of pages that may not use the service.

    Programs send neither `Origin` nor `Sec-Fetch-Site`, so only their `Host` is checked; HTTP/1.0 may omit it.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._hosts = {settings.api_host.lower(), *settings.api_hosts}
        self._allow_addresses = not is_loopback(settings.api_host)
        self._origins = settings.api_cors_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 421 or 403, or passes the request on."""
        is_guarded = scope["type"] in ("http", "websocket") and scope["path"] not in _PROBES
        if is_guarded and (refusal := self._find_refusal(scope)):
            await answer(*refusal)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _find_refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host and not is_served_host(host, self._hosts, allow_addresses=self._allow_addresses):
            return 421, f"Host {host[:_MAX_SHOWN]} is not served here; SHIFTS_API_HOSTS names those that are"
        if scope["type"] == "websocket":
            is_foreign = origin is not None and not self._may_read(origin, host)
        else:
            is_foreign = self._is_foreign_request(scope["method"], headers)
        if is_foreign:
            page = origin[:_MAX_SHOWN] if origin else "another site"
            return (
                403,
                f"Pages of {page} may not use this service; SHIFTS_API_CORS_ORIGINS names those that may",
            )
        return None

    def _is_foreign_request(self, method: str, headers: Headers) -> bool:
        """Whether a page of another origin sent the request, except by a link that a person followed."""
        if not is_from_other_site(headers):
            # Browsers without Fetch Metadata keep the answer from the page, and writes check the Origin.
            return False
        origin = headers.get("origin")
        if origin is not None:
            return not self._may_read(origin, headers.get("host", ""))
        is_allowed = is_followed_link(headers) or "*" in self._origins
        return not (method in ("GET", "HEAD") and is_allowed)

    def _may_read(self, origin: str, host: str) -> bool:
        return "*" in self._origins or is_own_or_listed(origin, host, self._origins)


def is_own_or_listed(origin: str, host: str, origins: Collection[str]) -> bool:
    """Whether an Origin is the requested host's own or one of `origins`; the wildcard `*` does not count."""
    return (origin in origins and origin != "*") or is_own_origin(origin, host)
