"""`--export FILE`: the formats that programs read, and `.html`, the page for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scaleworthy.cli.results import check_file, say, write_file

if TYPE_CHECKING:
    from scaleworthy.series import Store

HTML = ".html"


def check_exports(paths: Sequence[Path]) -> None:
    """Refuse, before anything runs, files that say no format or could not be written.

    Raises:
        InvalidInput: Endings that say nothing.
        UsageError: A file that could not be written.
    """
    from scaleworthy.load.results import check_exports as check_endings

    check_endings(paths, also=(HTML,))
    for path in paths:
        check_file(path, "--export")


def write_exports(store: Store, paths: Sequence[Path]) -> None:
    """Write the last load run in *store* to each of *paths*, and say so.

    Raises:
        UsageError: One cannot be written.
        MissingExtra: A format needs a package that is not installed.
    """
    from scaleworthy.load.results import export

    for path in paths:
        if path.suffix == HTML:
            write_page(store, path)
        else:
            export(store, path)
            say(f"written: {path}")


def write_page(store: Store, path: Path) -> None:
    """Write the last load run in *store* as one self-contained page, and say so.

    Raises:
        UsageError: It cannot be written.
    """
    from scaleworthy.report.html import render
    from scaleworthy.report.load_report import report_of

    write_file(path, render(report_of(store)))
    say(f"written: {path}")
