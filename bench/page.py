"""The planner's page in Chromium: seconds until it is of use, and milliseconds from a moved box to its number."""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import Browser, Page, Response

from bench.server import machine
from shifts_platform.generator.csv_file import csv_blocks
from tests.integration.page.browser import DESKTOP, chromium
from tests.integration.platform.running import RunningPlatform, new_environment, running_platform

_FILE_TRIPS = 10_000_000
_POLL_S = 0.5
_WAIT_MS = 60_000
_STALE = """
    SELECT count(*) FILTER (WHERE aggregates_revision <> revision OR shifts_revision <> revision), count(*)
    FROM shifts_store.region_weeks
"""
_OPEN_FILES = "SELECT count(*) FROM shifts_store.trip_files WHERE status IN ('queued', 'loading')"
# Moves the western side by so many degrees, and waits until the number is that of the box.
_MOVE_BOX = """step => new Promise(resolve => {
    const details = document.getElementById("mean-details");
    const west = document.querySelector("#corners input");
    const begun = performance.now();
    new MutationObserver((_, observer) => {
        if (!/[0-9]/.test(details.textContent)) return;
        observer.disconnect();
        resolve(performance.now() - begun);
    }).observe(details, { childList: true, characterData: true, subtree: true });
    west.value = (Number(west.value) + step).toFixed(6);
    west.dispatchEvent(new Event("change", { bubbles: true }));
})"""
# Lengths of frames while a pointer drags the map to and fro.
_WATCH_FRAMES = """() => {
    window.frames_ms = [];
    let last = performance.now();
    const step = (now) => {
        window.frames_ms.push(now - last);
        last = now;
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
}"""
_DRAGS, _STEPS, _DRAG_PX = 10, 30, 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--trips", type=int, default=1_000_000, help="generated (default: %(default)s)")
    parser.add_argument("--file", type=Path, help="a file of trips instead")
    parser.add_argument("--url", help="of a platform at rest, which has its trips, instead")
    parser.add_argument("--visits", type=int, default=5, help="in fresh profiles (default: %(default)s)")
    parser.add_argument("--moves", type=int, default=200, help="of the box (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints the table."""
    with _platform(arguments) as url, chromium() as browser:
        views = [_visit(browser, url, close=True)[1:] for _ in range(arguments.visits)]
        page, *_ = _visit(browser, url)
        frames, n_bytes = _drag(page)
        moves = _move_box(page, arguments.moves)
        print(f"\n{machine()}; software rendering.\n")
        print("| | p50 | p95 | worst |\n|---|--:|--:|--:|")
        _print("first view: shifts are listed", [view[0] for view in views])
        _print("first view: the map is drawn", [view[1] for view in views])
        _print("number of a moved box", moves)
        _print("frame while the map is dragged", frames)
        print(f"\nTransferred while the map was dragged {_DRAGS} times: {n_bytes / 1e3:,.0f} kB.")


@contextmanager
def _platform(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.url:
        yield arguments.url
        return
    with TemporaryDirectory(prefix="shifts-bench-") as name:
        # The database server may run as another user.
        Path(name).chmod(0o755)
        with running_platform(new_environment(Path(name) / "platform")) as platform:
            _fill(platform, arguments)
            yield platform.api


def _fill(platform: RunningPlatform, arguments: argparse.Namespace) -> None:
    if arguments.file is not None:
        hidden = platform.landing / f".{arguments.file.name}"
        hidden.write_bytes(arguments.file.read_bytes())
        hidden.rename(platform.landing / arguments.file.name)
    for number, first in enumerate(range(0, 0 if arguments.file else arguments.trips, _FILE_TRIPS)):
        hidden = platform.landing / f".trips_{number:03}.csv"
        with hidden.open("wb") as file:
            blocks = csv_blocks(min(_FILE_TRIPS, arguments.trips - first), seed=number, bad_share=0.0)
            file.writelines(text for _, text in blocks)
        hidden.rename(platform.landing / hidden.name[1:])
    while True:
        ((stale, pairs),) = platform.query(_STALE)
        ((unfinished,),) = platform.query(_OPEN_FILES)
        if pairs and not stale and not unfinished:
            return
        time.sleep(_POLL_S)


def _visit(browser: Browser, url: str, *, close: bool = False) -> tuple[Page, float, float]:
    """Opens the page without a cache; the milliseconds until its shifts are listed, and until the map is drawn."""
    width, height = DESKTOP
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(url)
    page.locator("#list tbody tr").first.wait_for(timeout=_WAIT_MS)
    listed = time.perf_counter()
    page.locator("#map:not([aria-busy])").wait_for(timeout=_WAIT_MS)
    drawn = time.perf_counter()
    if close:
        context.close()
    return page, 1000 * (listed - begun), 1000 * (drawn - begun)


def _drag(page: Page) -> tuple[list[float], int]:
    """Milliseconds of each frame while the map is dragged, and the bytes of the answers that it asked for."""
    sizes: list[int] = []

    def note(answer: Response) -> None:
        sizes.append(int(answer.headers.get("content-length", 0)))

    page.on("response", note)
    page.evaluate(_WATCH_FRAMES)
    width, height = DESKTOP
    x, y = width // 3, height // 2
    for number in range(_DRAGS):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + (_DRAG_PX if number % 2 else -_DRAG_PX), y + 40, steps=_STEPS)
        page.mouse.up()
    frames: list[float] = page.evaluate("window.frames_ms")
    page.remove_listener("response", note)
    return frames[1:], sum(sizes)


def _move_box(page: Page, moves: int) -> list[float]:
    page.locator("#draw-box").focus()
    page.keyboard.press("Enter")
    page.locator("#mean-details", has_text="trips in").wait_for(timeout=_WAIT_MS)
    page.get_by_text("Corners in degrees").click()
    return [page.evaluate(_MOVE_BOX, 1e-4 if number % 2 else -1.5e-4) for number in range(moves)]


def _print(what: str, milliseconds: Sequence[float]) -> None:
    p50, p95, worst = np.percentile(milliseconds, [50, 95, 100])
    print(f"| {what} | {p50:,.0f} ms | {p95:,.0f} ms | {worst:,.0f} ms |")
