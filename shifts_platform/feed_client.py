"""Reading the platform's feed as any client does: server-sent events over HTTP, resumed by id."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from shifts_platform.errors import PlatformError


@dataclass(frozen=True)
class FeedEvent:
    """One event with its data."""

    id: str
    type: str
    data: dict[str, Any]


def follow_feed(api_url: str, types: str) -> Iterator[FeedEvent | None]:
    """Yields None once the feed is open, then every event of the types; a broken connection is resumed.

    Raises:
        PlatformError: the service cannot be reached.
    """
    last_id: str | None = None
    while True:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        timeout = httpx.Timeout(10, read=60)
        try:
            with httpx.stream(
                "GET", f"{api_url}/api/v1/events", params={"types": types}, headers=headers, timeout=timeout
            ) as stream:
                stream.raise_for_status()
                if last_id is None:
                    yield None
                for event in _parse(stream.iter_lines()):
                    last_id = event.id
                    yield event
        except httpx.TransportError as error:
            if last_id is None:
                raise PlatformError(
                    f"nobody answers at {api_url} ({error}): start the platform with `shifts up`"
                ) from None
        except httpx.HTTPStatusError as error:
            raise PlatformError(f"{api_url}: {error.response.status_code} from the feed") from None


def _parse(lines: Iterator[str]) -> Iterator[FeedEvent]:
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif not line and "data" in fields:
            yield FeedEvent(fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"]))
            fields = {}
