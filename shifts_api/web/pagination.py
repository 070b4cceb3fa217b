"""Pages of long lists: how many entries, where the next page begins, and the link to it."""

from typing import Annotated, TypeVar

from fastapi import Query, Request, Response

Entry = TypeVar("Entry")

MAX_ID = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""
_MEANING = "`next_cursor` of the page before."

Limit = Annotated[int, Query(ge=1, le=1000, description="Entries on a page.")]
Cursor = Annotated[str | None, Query(pattern=r"^\d{1,16}$", description=_MEANING, examples=["42"])]
"""Of a list in the order of one number."""
PairCursor = Annotated[
    str | None, Query(pattern=r"^\d{1,16}-\d{1,16}$", description=_MEANING, examples=["12-42"])
]
"""Of a list in the order of two."""


def write_cursor(*place: int) -> str:
    """The last entry's place in the order, as clients hand it back."""
    return "-".join(map(str, place))


def read_cursor(cursor: str | None, start: tuple[int, ...]) -> tuple[int, ...]:
    """The place behind which a page begins; `start` without a cursor."""
    return start if cursor is None else tuple(map(int, cursor.split("-")))


def cut(entries: list[Entry], limit: int) -> tuple[list[Entry], Entry | None]:
    """A page of entries, one more than `limit` of which was read; and its last one if another follows."""
    page = entries[:limit]
    return page, page[-1] if len(entries) > limit else None


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Names the next page in the header `Link`, for those who read no body, as with CSV."""
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
