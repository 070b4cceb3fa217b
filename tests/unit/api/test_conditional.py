"""Tags of answers: which headers `If-None-Match` name them, and that a named answer is not counted again."""

from typing import Any

import anyio
import pytest
from fastapi import Request, Response

from shifts_api.web.conditional import Counted, answer_unless_known, entity_tag, is_named


def request(*named: str, query: str = "region=Turin") -> Request:
    headers = [(b"if-none-match", each.encode()) for each in named] + [(b"host", b"localhost")]
    scope = {"type": "http", "path": "/trips/weekly", "query_string": query.encode(), "headers": headers}
    return Request({**scope, "method": "GET", "scheme": "http", "server": ("localhost", 80)})


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ('W/"a"', True),
        ('"a"', True),
        ("*", True),
        (" * ", True),
        ('"b", W/"a"', True),
        ('"b",,"a" ', True),
        ('"b,c", "a"', True),
        ('"b"', False),
        ('"b, "a', False),
        ("a", False),
        ("", False),
        ('"A"', False),
        ('"b", *', False),
    ],
)
def test_tags_are_compared_weakly(named: str, expected: bool) -> None:
    assert is_named(named, 'W/"a"') is expected


def test_a_tag_changes_with_the_question_and_with_the_revision() -> None:
    tags = {
        entity_tag(request(query=query), revision)
        for query in ("region=Turin", "region=Milan")
        for revision in ("1", "2")
    }
    assert len(tags) == 4
    assert entity_tag(request(), "1") == entity_tag(request('"x"'), "1")


def ask(asked: Request, present: str | None, calls: list[str]) -> tuple[Any, Response]:
    response = Response()

    async def find_revision() -> str | None:
        calls.append("revision")
        return present

    async def count() -> Counted[str]:
        calls.append("count")
        return Counted("answer", present)

    async def run() -> Any:
        return await answer_unless_known(asked, response, find_revision, count)

    return anyio.run(run), response


def test_an_answer_that_the_client_has_is_not_counted() -> None:
    calls: list[str] = []
    answer, response = ask(request(), "1", calls)
    tag = response.headers["ETag"]
    assert (answer, response.headers["Cache-Control"], calls) == ("answer", "no-cache", ["count"])
    known, _ = ask(request('"other"', tag), "1", calls)
    assert (known.status_code, known.headers["ETag"], known.body) == (304, tag, b"")
    assert calls == ["count", "revision"]
    assert ask(request(tag), "2", calls)[0] == "answer"
    assert calls == ["count", "revision", "revision", "count"]


def test_an_answer_without_a_revision_has_no_tag() -> None:
    calls: list[str] = []
    answer, response = ask(request("*"), None, calls)
    assert (answer, "ETag" in response.headers, calls) == ("answer", False, ["revision", "count"])
