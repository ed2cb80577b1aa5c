"""Keep what a coroutine function returns."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import UsageError

if TYPE_CHECKING:
    from scaleworthy.runtime.cache.cache import Cache

Function = Callable[..., Awaitable[Any]]


def decorate(cache: Cache, key: str, *, kind: str, tags: Sequence[str]) -> Callable[[Function], Function]:
    """Return the decorator.

    Raises:
        UsageError: The key names an argument that the function does not have.
    """

    def wrap(function: Function) -> Function:
        signature = inspect.signature(function)
        _check_names(function, signature, [key, *tags])

        @functools.wraps(function)
        async def asked(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            names = bound.arguments
            return await cache.get_for_tenant(
                key.format(**names),
                lambda: function(*args, **kwargs),
                kind=kind,
                tags=[tag.format(**names) for tag in tags],
            )

        return asked

    return wrap


def _check_names(function: Function, signature: inspect.Signature, texts: Sequence[str]) -> None:
    from string import Formatter

    for text in texts:
        for _, name, _, _ in Formatter().parse(text):
            if name is not None and name.partition(".")[0].partition("[")[0] not in signature.parameters:
                known = ", ".join(signature.parameters) or "none"
                raise UsageError(
                    f"the key {text!r} names {name!r}, which {getattr(function, '__name__', 'the function')} does not take",
                    hint=f"its arguments: {known}",
                )
