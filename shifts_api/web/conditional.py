"""Conditional requests (RFC 9110, section 13): entity tags of answers, and 304 for answers that a client has."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from fastapi import Header, Request, Response

import shifts_api
import shifts_core

T = TypeVar("T")

IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="`ETag` of an answer that the client has: 304, and nothing is counted, if it still holds.",
        examples=['W/"0f3c1d7e9a5b4c2d8e6f7a1b2c3d4e5f"'],
    ),
]
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_PACKAGES = [Path(package.__path__[0]) for package in (shifts_api, shifts_core)]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The answer with the tag in `If-None-Match` still holds", "model": None}
}


class Counted(NamedTuple, Generic[T]):
    """An answer, and the revision of what it was counted from."""

    answer: T
    revision: str | None
    """Changes whenever the answer may; None if no revision shows that."""


async def answer_unless_known(
    request: Request,
    response: Response,
    find_revision: Callable[[], Awaitable[str | None]],
    count: Callable[[], Awaitable[Counted[T]]],
) -> T | Response:
    """The answer with its tag in the header `ETag`, or 304 if the client has it.

    Tags are weak: two answers with the same tag differ in the time of their snapshot.

    Args:
        request: of the client.
        response: receives the headers.
        find_revision: finds the present revision; called only if the client names a tag.
        count: counts; called only if the client does not have the answer.
    """
    named = ",".join(request.headers.getlist("if-none-match"))
    if named:
        revision = await find_revision()
        if revision is not None and is_named(named, tag := entity_tag(request, revision)):
            return Response(status_code=304, headers=_headers(tag))
    answer, revision = await count()
    if revision is not None:
        response.headers.update(_headers(entity_tag(request, revision)))
    return answer


def entity_tag(request: Request, revision: str) -> str:
    """A weak tag of the answer to a request."""
    question = f"{request.url.path}?{request.url.query}"
    parts = (_build(), question, revision)
    return f'W/"{hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"'


@cache
def _build() -> str:
    # Another build may give another answer. An image holds the sources only, without the metadata of a package.
    digest = hashlib.blake2b(digest_size=16)
    for source in sorted(source for package in _PACKAGES for source in package.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def is_named(named: str, tag: str) -> bool:
    """Whether a header `If-None-Match` names a tag, by weak comparison.

    Args:
        named: the header: tags separated by commas, or `*` for any.
        tag: of the present answer.
    """
    return named.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(named)


def _headers(tag: str) -> dict[str, str]:
    # A cache may keep the answer, and asks before each use.
    return {"ETag": tag, "Cache-Control": "no-cache"}
