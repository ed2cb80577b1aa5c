"""Write a report's three forms beside each other: HTML for people, Markdown for a pull request, JSON for programs."""

from __future__ import annotations

from pathlib import Path

from scaleworthy.errors import UsageError
from scaleworthy.report import html, json, markdown
from scaleworthy.report.model import Report


def write(report: Report, folder: Path, *, name: str = "report") -> tuple[Path, ...]:
    """Write NAME.html, NAME.md and NAME.json into *folder* and return their paths.

    Raises:
        UsageError: The folder cannot be written to.
    """
    forms = ((".html", html.render), (".md", markdown.render), (".json", json.render))
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, render in forms:
            path = folder / f"{name}{suffix}"
            path.write_text(render(report), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {folder}: {error.strerror}", hint="name another folder with --out"
        ) from error
    return tuple(written)
