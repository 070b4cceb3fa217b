"""Every command of docs/api.md, run in order against a real service, prints the answer that the page shows."""

import io
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, wait_until
from tests.integration.pipeline.harness import HEADER, Pipeline, row

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
ADDRESS = "localhost:8000"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "-- end of the command --"


@dataclass(frozen=True)
class Example:
    """A command of the page and the output shown for it, empty if none is shown."""

    line: int
    language: str
    code: str
    printed: str


def examples() -> Iterator[Example]:
    text = PAGE.read_text()
    blocks = [(text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in _BLOCK.finditer(text)]
    for (line, language, code), (_, following, shown) in zip(blocks, [*blocks[1:], (0, "", "")], strict=True):
        if language in ("sh", "python"):
            yield Example(line, language, code, "" if following in ("sh", "python") else shown)


class Reader:
    """Runs the page's commands in one shell and one Python process on the machine of a platform."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._address = f"127.0.0.1:{service.port}"
        self._folder = folder
        self._names: dict[str, object] = {}
        self.shell = subprocess.Popen(
            ["bash"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ}
        )

    def run(self, example: Example) -> str:
        """The output of a command."""
        code = example.code.replace(ADDRESS, self._address)
        return self._in_python(code) if example.language == "python" else self._in_shell(code)

    def _in_python(self, code: str) -> str:
        printed = io.StringIO()
        with chdir(self._folder), redirect_stdout(printed):
            exec(code, self._names)
        return printed.getvalue()

    def _in_shell(self, code: str) -> str:
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{code}\necho; echo '{_END}'\n")
        self.shell.stdin.flush()
        return "".join(iter(self.shell.stdout.readline, f"{_END}\n"))


def says(printed: str, shown: str) -> bool:
    """Whether output matches the page: `…` matches any text, and white space is ignored."""
    pattern = ".*?".join(map(re.escape, "".join(shown.split()).split("…")))
    return re.fullmatch(pattern, "".join(printed.split()), re.DOTALL) is not None


@pytest.fixture(scope="module")
def reader(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".shifts").mkdir()
    (folder / ".shifts" / "landing").symlink_to(service.landing)
    found = Reader(service, folder)
    yield found
    found.shell.communicate(timeout=10)


@pytest.fixture(scope="module")
def pipeline(service: Service) -> Iterator[Pipeline]:
    with pipeline_of(service) as found:
        yield found


def _run(example: Example, reader: Reader, pipeline: Pipeline, listens: Callable[[], bool]) -> str:
    """Runs a command together with the pipeline's work that it needs."""
    if "/clusters" in example.code:
        pipeline.refresh()
    if "/shifts" in example.code:
        pipeline.refresh()
        pipeline.make_shifts()
    if "/trips/live" in example.code:
        with ThreadPoolExecutor() as beside:
            printed_notification: Future[str] = beside.submit(reader.run, example)
            wait_until(listens, 10)
            pipeline.put("live.csv", HEADER + row(region="Elsewhere"))
            pipeline.load()
            return printed_notification.result()
    printed = reader.run(example)
    if "POST" in example.code or "--data-binary" in example.code or '"data_type": "mocked"' in example.code:
        pipeline.load()
    return printed


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: f"line {example.line}")
def test_each_command_of_the_guide_prints_the_answer_shown(
    service: Service, reader: Reader, pipeline: Pipeline, example: Example
) -> None:
    printed = _run(example, reader, pipeline, lambda: service.metric("shifts_feed_clients") == 1)
    assert says(printed, example.printed), f"it printed:\n{printed}\nthe page shows:\n{example.printed}"


def test_the_guide_shows_every_call_in_both_languages(service: Service) -> None:
    commands = dict.fromkeys(("sh", "python"), "")
    for example in examples():
        commands[example.language] += re.sub(r"\$\w+|\{[^}]*\}", "ID", example.code)
    for path in httpx.get(f"{service.root}/openapi.json").json()["paths"]:
        call = re.escape(re.sub(r"\{\w+\}", "ID", path.removeprefix("/api/v1")))
        for language, code in commands.items():
            assert re.search(rf"ID{call}(?![\w/])", code), f"{path} in {language}"
