"""What runs once for the whole run: `@setup` and `@teardown`."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

from scaleworthy.load.scenarios.loading import Loaded


def run_setup(loaded: Loaded) -> Any:
    """Run the file's `@setup`, if it has one, and return what it returned: plain data that every worker can be told.

    Raises:
        TypeError: It returned something that is no JSON.
    """
    data = _run(loaded.declared.setup)
    try:
        return json.loads(json.dumps(data))
    except (TypeError, ValueError) as error:
        raise TypeError(f"@setup must return plain data (JSON), because every worker gets it: {error}") from None


def run_teardown(loaded: Loaded, data: Any) -> None:
    """Run the file's `@teardown`, if it has one, with what `@setup` returned where it takes that."""
    _run(loaded.declared.teardown, data)


def _run(function: Callable[..., Any] | None, *given: Any) -> Any:
    if function is None:
        return None
    takes = len(inspect.signature(function).parameters)
    result = function(*given[:takes])
    if not inspect.isawaitable(result):
        return result

    async def awaited() -> Any:
        return await result

    return asyncio.run(awaited())
