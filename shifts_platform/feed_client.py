"""A client of the platform's feed: server-sent events over HTTP, resumed by id after a broken connection."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import connect_sse

from shifts_platform.errors import PlatformError

_TIMEOUT = httpx.Timeout(10, read=60)
"""The service sends a comment every 15 s."""
_RECONNECT_S = 0.5
KEY_NEEDED = "the platform needs an API key: set SHIFTS_API_KEY to one"


@dataclass(frozen=True)
class FeedEvent:
    """One event with its data."""

    id: str
    type: str
    data: dict[str, Any]


def follow_feed(api_url: str, types: str, key: Mapping[str, str] | None = None) -> Iterator[FeedEvent | None]:
    """Yields None when the feed is open, then events; a broken connection is resumed after the last event.

    Args:
        api_url: of the web service, as `http://127.0.0.1:8000`.
        types: of the events, comma separated.
        key: the header with the API key, if there is one.

    Raises:
        PlatformError: the service does not answer before the first event, or refuses the request.
    """
    last_id: str | None = None
    while True:
        headers = {**(key or {}), **({"Last-Event-ID": last_id} if last_id else {})}
        try:
            with (
                httpx.Client(timeout=_TIMEOUT) as client,
                connect_sse(
                    client, "GET", f"{api_url}/api/v1/events", params={"types": types}, headers=headers
                ) as source,
            ):
                source.response.raise_for_status()
                if last_id is None:
                    yield None
                for event in source.iter_sse():
                    last_id = event.id
                    # An event may carry an id or a retry time only.
                    if event.data:
                        yield FeedEvent(event.id, event.event, event.json())
        except httpx.TransportError as error:
            if last_id is None:
                raise PlatformError(
                    f"no answer from {api_url} ({error}): start the platform with `shifts up`"
                ) from None
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.UNAUTHORIZED:
                raise PlatformError(KEY_NEEDED) from None
            raise PlatformError(f"{api_url}: {error.response.status_code} from the feed") from None
        time.sleep(_RECONNECT_S)
