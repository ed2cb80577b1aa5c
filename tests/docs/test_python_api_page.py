"""The controller on the page about Python does what the page says."""

from __future__ import annotations

from typing import Any

from scaleworthy._native import NullServer

from .pages import DOCS, code


async def test_the_controller_asks_for_more_while_the_server_is_quick() -> None:
    block = next(one for one in code(DOCS / "guide/python-api.md") if "async def hold" in one.text)
    names: dict[str, Any] = {}
    exec(compile(block.text, str(block), "exec"), names)
    server = NullServer()
    try:
        rates = await names["hold"](f"http://127.0.0.1:{server.port}/", p95_ms=5_000, seconds=2)
    finally:
        server.stop()

    first, second = rates
    # A run's first second is part of one, and may be over before an answer has come.
    assert first in (50.0, 62.5)
    assert second == first * 1.25
