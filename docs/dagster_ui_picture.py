"""Takes docs/dagster_ui.png of a running platform with Chromium: `make demo`, `python docs/dagster_ui_picture.py`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

_PAGE = "/assets/trip_clusters?view=partitions&partition=2018-04-30"
_WIDTH, _HEIGHT = 1280, 960
_COLOURS = 64


def main(base_url: str = "http://127.0.0.1:3000") -> None:
    """Take the picture from the Dagster UI at a URL."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("neither chromium nor google-chrome is installed")
    target = Path(__file__).with_name("dagster_ui.png")
    with tempfile.TemporaryDirectory() as folder:
        screenshot = Path(folder) / "page.png"
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--hide-scrollbars",
                f"--user-data-dir={folder}/profile",
                f"--window-size={_WIDTH},{_HEIGHT}",
                # The page loads its parts one after the other; Chromium skips the time in which it waits for a timer.
                "--virtual-time-budget=30000",
                f"--screenshot={screenshot}",
                base_url.rstrip("/") + _PAGE,
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        Image.open(screenshot).convert("RGB").quantize(_COLOURS).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
