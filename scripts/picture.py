"""Make the README's picture: the top of a report, as Chromium shows it.

python scripts/picture.py [report.html] [docs/report.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import chromium

MOST_BYTES = 300_000


def main(argv: list[str]) -> int:
    """Write the picture and return the exit status: 2 where the report or the browser is missing."""
    page, to = Path(argv[0] if argv else "report.html"), Path(argv[1] if len(argv) > 1 else "docs/report.png")
    if not page.exists():
        print(f"{page} is not there: run `make demo` first", file=sys.stderr)
        return 2
    if chromium.find() is None:
        print(chromium.HOW_TO_GET, file=sys.stderr)
        return 2
    to.parent.mkdir(parents=True, exist_ok=True)
    to.unlink(missing_ok=True)
    chromium.picture(page, to, width=1280, height=1500)
    size = to.stat().st_size
    print(f"{to}: {size:,} bytes, the top of {page}")
    if size > MOST_BYTES:
        print(f"that is more than the {MOST_BYTES:,} bytes a README should load", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
