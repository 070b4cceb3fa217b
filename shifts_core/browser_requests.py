"""Rules on the headers of browsers' requests: which host was asked, and whether a page of another site asks.

Browsers send `Host`, on writes and cross-origin reads `Origin`, and since 2023 Fetch Metadata (`Sec-Fetch-*`).
Programs send only `Host`. Each web server of the platform combines these rules into its own policy.
"""

import re
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)


class Authority(NamedTuple):
    """A host name in lower case and, if given, its port as `:8000`."""

    host: str
    port: str | None


def parse_authority(text: str) -> Authority | None:
    """The host and port of a `Host` header or of an origin; None if it is malformed."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    host, port = match.groups()
    return Authority(host.lower().strip("[]").rstrip("."), port)


def is_loopback(host: str) -> bool:
    """Whether a host name or address without a port is reachable from this machine only."""
    address = _parse_address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def is_served_host(host: str, names: Collection[str], *, allow_addresses: bool = False) -> bool:
    """Whether a request's `Host` header names this server: the defence against DNS rebinding.

    An attacker who points a name of their own at this server has the browser send that name. They cannot do so with
    an IP address.

    Args:
        host: the header.
        names: host names in lower case, besides those of loopback.
        allow_addresses: whether every IP address is accepted.
    """
    own = parse_authority(host)
    if own is None:
        return False
    is_address = _parse_address(own.host) is not None
    return is_loopback(own.host) or own.host in names or (allow_addresses and is_address)


def is_own_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` header names the host that the request was sent to.

    The schemes are not compared: a proxy may terminate TLS in front of the server.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    own = parse_authority(host)
    return own is not None and parts.scheme in ("http", "https") and parse_authority(parts.netloc) == own


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of this origin sent the request; without either header it does not."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None and site is None:
        return False
    is_own = origin is None or is_own_origin(origin, headers.get("host", ""))
    return is_own and site in (None, "same-origin")


def is_from_other_site(headers: Mapping[str, str]) -> bool:
    """Whether Fetch Metadata names a page of another origin; another port of this host is `same-site`."""
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def is_followed_link(headers: Mapping[str, str]) -> bool:
    """Whether Fetch Metadata describes a top-level navigation, as when a person follows a link."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _parse_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
