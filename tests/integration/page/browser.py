"""Debian's Chromium with a software renderer, and what a page must not do in it."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

ROOT = Path(__file__).parents[3]
AXE = ROOT / "page" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP, PHONE = (1280, 800), (390, 844)
_OPTIONS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
_TIMEOUT_S = 60
expect.set_options(timeout=30_000)


@dataclass
class Visit:
    """A page, and what it complained about or asked of other sites."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """What axe-core finds: rules and elements."""
        self.page.evaluate(AXE.read_text())
        found: list[dict[str, Any]] = self.page.evaluate("axe.run().then(({ violations }) => violations)")
        return [f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; it must be installed, as `make test` does."""
    path = shutil.which("chromium")
    assert path is not None, "chromium is missing: `make test` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        yield browser
        browser.close()


@contextmanager
def visiting(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESKTOP,
    theme: Literal["light", "dark"] = "light",
    language: str = "en-US",
    expected: str | None = None,
) -> Iterator[Visit]:
    """Opens a page in a fresh profile; afterwards it must not have complained of anything but what is expected."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, locale=language
    )
    page = context.new_page()
    visit = Visit(page)

    def check_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(f"{message.type}: {message.text}")

    own = urlsplit(url).netloc

    def check_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != own:
            visit.complaints.append(f"request: {request.url}")

    page.on("console", check_message)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("request", check_request)
    page.goto(url)
    try:
        yield visit
    finally:
        context.close()
    assert [each for each in visit.complaints if each != expected] == []


def eventually(read: Callable[[], Any], expected: Callable[[Any], bool]) -> Any:
    """The first value that is as expected."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        value = read()
        if expected(value):
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"in vain for {_TIMEOUT_S} s: {value!r}")
        time.sleep(0.05)
