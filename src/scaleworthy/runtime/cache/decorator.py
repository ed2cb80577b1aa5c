"""Keep what a coroutine function returns."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from scaleworthy.errors import UsageError
from scaleworthy.runtime.cache.kinds import Kind
from scaleworthy.runtime.cache.loading import MISSING, Loader
from scaleworthy.runtime.cache.names import require_several
from scaleworthy.runtime.tenant import tenant_key

Function = Callable[..., Awaitable[Any]]
Beyond = Callable[[Kind, str, Loader, Sequence[str]], Awaitable[Any]]


def decorate(kind: Kind, beyond_memory: Beyond, key: str, tags: Sequence[str]) -> Callable[[Function], Function]:
    """Return the decorator; *beyond_memory* is asked where memory has nothing fresh.

    Raises:
        UsageError: The key names an argument that the function does not have, or the tags are one text.
    """
    require_several(tags=tags)

    def wrap(function: Function) -> Function:
        signature = inspect.signature(function)
        _check_names(function, signature, [key, *tags])
        named = _namer(signature)

        @functools.wraps(function)
        async def asked(*args: Any, **kwargs: Any) -> Any:
            names = named(args, kwargs)
            own_key = tenant_key(key.format_map(names))
            value = kind.get(own_key, MISSING)
            if value is not MISSING:
                return value
            own_tags = [tenant_key(tag.format_map(names)) for tag in tags]
            return await beyond_memory(kind, own_key, lambda: function(*args, **kwargs), own_tags)

        return asked

    return wrap


def _namer(signature: inspect.Signature) -> Callable[[tuple[Any, ...], dict[str, Any]], Mapping[str, Any]]:
    """Return what names a call's arguments: a dictionary at once where that is all there is to it, else the signature's own binding."""
    parameters = signature.parameters
    usual = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    is_usual = all(parameter.kind in usual for parameter in parameters.values())
    by_place = [name for name, one in parameters.items() if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    defaults = {name: one.default for name, one in parameters.items() if one.default is not inspect.Parameter.empty}

    def named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[str, Any]:
        if is_usual and len(args) <= len(by_place):
            given = dict(zip(by_place, args, strict=False), **kwargs)
            names = given if len(given) == len(parameters) else {**defaults, **given}
            # A name given twice, or unknown, or missing, shows in the numbers.
            if len(given) == len(args) + len(kwargs) and len(names) == len(parameters):
                return names
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    return named


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
