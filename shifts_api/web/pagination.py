"""Cursor pagination: the parameters `limit` and `cursor`, and the links to the next page."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query, Request, Response
from pydantic import Field

Entry = TypeVar("Entry")

MAX_ID = 2**53 - 1
"""The largest integer that every JSON parser represents exactly."""
_DESCRIPTION = "`next_cursor` of the previous page."

Limit = Annotated[int, Query(ge=1, le=1000, description="Entries per page.")]
Cursor = Annotated[str | None, Query(pattern=r"^\d{1,16}$", description=_DESCRIPTION, examples=["42"])]
"""Of a list that is ordered by one number."""
PairCursor = Annotated[
    str | None, Query(pattern=r"^\d{1,16}-\d{1,16}$", description=_DESCRIPTION, examples=["12-42"])
]
"""Of a list that is ordered by two numbers."""
NextCursor = Annotated[str | None, Field(description="`cursor` of the next page; null on the last page.")]


def parse_cursor(cursor: str) -> tuple[int, ...]:
    """The position of the last entry of the previous page."""
    return tuple(map(int, cursor.split("-")))


def paginate(
    request: Request,
    response: Response,
    entries: Sequence[Entry],
    limit: int,
    position: Callable[[Entry], tuple[int, ...]],
) -> tuple[Sequence[Entry], str | None]:
    """A page of entries and the cursor of the next one, which the header `Link` carries as well.

    Args:
        request: of the client.
        response: receives the header.
        entries: up to `limit` + 1 of them, so that another page is known to exist.
        limit: entries per page.
        position: the numbers by which the list is ordered.
    """
    page = entries[:limit]
    if len(entries) <= limit:
        return page, None
    cursor = "-".join(map(str, position(page[-1])))
    url = request.url.include_query_params(cursor=cursor)
    response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return page, cursor
