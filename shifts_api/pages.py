"""Pages of long lists: how many entries, where the next page begins, and the link to it."""

import base64
import binascii
import re
from typing import Annotated, TypeVar

from fastapi import Query, Request, Response

from shifts_api.errors import ApiError

Entry = TypeVar("Entry")

MAX_ID = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

Limit = Annotated[int, Query(ge=1, le=1000, description="Entries on a page.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=100,
        pattern="^[A-Za-z0-9_-]+$",
        description="`next_cursor` of the page before.",
    ),
]
_NUMBERS = re.compile(r"\d{1,16}(?:,\d{1,16})*")


def write_cursor(*place: int) -> str:
    """The last entry's place in the order, as clients hand it back."""
    return base64.urlsafe_b64encode(",".join(map(str, place)).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, start: tuple[int, ...]) -> tuple[int, ...]:
    """The place behind which a page begins; `start` without a cursor.

    Raises:
        ApiError: 400, the cursor is not one of ours.
    """
    if cursor is None:
        return start
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    place = tuple(map(int, text.split(","))) if _NUMBERS.fullmatch(text) else ()
    if len(place) != len(start):
        raise ApiError(400, "cursor: give the next_cursor of the page before")
    return place


def cut(entries: list[Entry], limit: int) -> tuple[list[Entry], Entry | None]:
    """A page of entries, one more than `limit` of which was read; and its last one if another follows."""
    page = entries[:limit]
    return page, page[-1] if len(entries) > limit else None


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Names the next page in the header `Link`, for those who read no body, as with CSV."""
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
