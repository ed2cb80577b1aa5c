"""The sample reports as pages, each drawn once for all tests: drawing fourteen charts takes a second or two."""

from __future__ import annotations

from functools import cache

from tests.report import sample

from scaleworthy.report import html


@cache
def page(name: str) -> str:
    """Return the page of the report that sample.`name`() makes."""
    return html.render(getattr(sample, name)())
