"""Drive a headless Chromium from the command line: a picture of a page, or its document after its scripts ran.

It uses the browser at CHROME_BIN, else the first one on PATH; each run has a profile of its own and reaches no network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HOW_TO_GET = (
    "no Chromium was found: apt-get install chromium (or brew install --cask chromium), or set CHROME_BIN to one"
)
TIMEOUT_S = 90
FLAGS = (
    "--headless",
    "--no-sandbox",  # as root, in a container, there is no other way; only our own files are opened
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def find() -> str | None:
    """Return the path of the browser, or None where there is none."""
    named = os.environ.get("CHROME_BIN")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def run(page: Path, *flags: str, width: int = 1280, height: int = 1000) -> subprocess.CompletedProcess[str]:
    """Open *page* in a window of this many CSS pixels, with more flags, and return what Chromium printed."""
    browser = find()
    if browser is None:
        raise FileNotFoundError(HOW_TO_GET)
    with tempfile.TemporaryDirectory(prefix="scaleworthy-chromium-", ignore_cleanup_errors=True) as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", *flags]
        return subprocess.run(
            [*command, page.resolve().as_uri()], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )


def picture(page: Path, to: Path, *, width: int = 1280, height: int = 1000) -> None:
    """Write the top of *page* as a PNG.

    Raises:
        RuntimeError: Chromium wrote none; the text ends with what it said.
    """
    target = to.resolve()
    done = run(page, f"--screenshot={target}", "--force-device-scale-factor=1", width=width, height=height)
    if not target.exists():
        raise RuntimeError(f"Chromium wrote no picture of {page}: {done.stderr[-800:]}")
