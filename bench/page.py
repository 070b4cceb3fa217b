"""The planner's page in Chromium: seconds until it is of use, and milliseconds from a moved box to its number."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page

from bench.server import machine
from shifts_platform.generator.csv_file import csv_blocks
from tests.integration.page.browser import chromium
from tests.integration.platform.running import RunningPlatform, new_environment, running_platform

_FILE_TRIPS = 10_000_000
_POLL_S = 0.5
_WAIT_MS = 120_000
_STALE = """
    SELECT count(*) FILTER (WHERE aggregates_revision <> revision OR shifts_revision <> revision), count(*)
    FROM shifts_store.region_weeks
"""
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
# A frame after each of some steps to the east.
_PAN = """steps => new Promise(resolve => {
    const canvas = document.querySelector("#map canvas");
    const frames = [];
    let last = performance.now();
    const step = () => {
        const now = performance.now();
        frames.push(now - last);
        last = now;
        if (frames.length > steps) return resolve(frames.slice(1));
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", keyCode: 39, bubbles: true }));
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--trips", type=int, default=1_000_000, help="generated (default: %(default)s)")
    parser.add_argument("--file", type=Path, help="a file of trips instead")
    parser.add_argument("--visits", type=int, default=5, help="in fresh profiles (default: %(default)s)")
    parser.add_argument("--moves", type=int, default=200, help="of the box (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints the table."""
    with TemporaryDirectory(prefix="shifts-bench-") as name:
        # The database server may run as another user.
        Path(name).chmod(0o755)
        with running_platform(new_environment(Path(name) / "platform")) as platform, chromium() as browser:
            _fill(platform, arguments)
            views = [_visit(browser, platform.api)[1] for _ in range(arguments.visits)]
            page, _ = _visit(browser, platform.api)
            frames = np.array(page.evaluate(_PAN, 120))
            moves = _move_box(page, arguments.moves)
            print(f"\n{machine(platform.settings()['SHIFTS_DATABASE_URL'])}; software rendering.\n")
            print("| | p50 | p95 | worst |\n|---|--:|--:|--:|")
            _print("first view with its shifts, fresh profile", views)
            _print("number of a moved box", moves)
            _print("frame while the map moves", frames)


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
        ((unfinished,),) = platform.query(
            "SELECT count(*) FROM shifts_store.trip_files WHERE status IN ('queued', 'loading')"
        )
        if pairs and not stale and not unfinished:
            return
        time.sleep(_POLL_S)


def _visit(browser: Browser, url: str) -> tuple[Page, float]:
    """Opens the page without a cache, and returns the milliseconds until its shifts are listed."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    begun = time.perf_counter()
    page.goto(url)
    page.locator("#list tbody tr").first.wait_for(timeout=_WAIT_MS)
    return page, 1000 * (time.perf_counter() - begun)


def _move_box(page: Page, moves: int) -> list[float]:
    page.locator("#draw-box").focus()
    page.keyboard.press("Enter")
    page.locator("#mean-details", has_text="trips in").wait_for(timeout=_WAIT_MS)
    page.get_by_text("Corners in degrees").click()
    return [page.evaluate(_MOVE_BOX, 1e-4 if number % 2 else -1.5e-4) for number in range(moves)]


def _print(what: str, milliseconds: Sequence[float] | Any) -> None:
    p50, p95, worst = np.percentile(milliseconds, [50, 95, 100])
    print(f"| {what} | {p50:,.0f} ms | {p95:,.0f} ms | {worst:,.0f} ms |")
