"""Takes docs/page.png of a running platform with Chromium: `make demo`, `python docs/page_picture.py`."""

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

_VIEW = "/?region=Turin&bbox=7.62,45.03,7.74,45.11"
_WIDTH, _HEIGHT = 1280, 760
_COLOURS = 64
_OPTIONS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
_DRAWN_MS = 8_000
"""What the map needs with a software renderer."""


def main(base_url: str = "http://127.0.0.1:8000") -> None:
    """Take the picture from the page at a URL."""
    target = Path(__file__).with_name("page.png")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_OPTIONS)
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, locale="en-US")
        page.goto(base_url.rstrip("/") + _VIEW)
        page.wait_for_timeout(_DRAWN_MS)
        screenshot = Path(folder) / "page.png"
        page.screenshot(path=screenshot)
        browser.close()
        Image.open(screenshot).convert("RGB").quantize(_COLOURS).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
