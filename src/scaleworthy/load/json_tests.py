"""What a value of a JSON body is held to: a value it equals, or tests such as `{above: 3, below: 10}`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator

from scaleworthy.load.base import shown
from scaleworthy.load.template import names_in, nearest


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _length(value: Any) -> bool:
    return _number(value) or (isinstance(value, dict) and bool(value) and set(value) <= _LENGTH)


_LENGTH = {"above", "at_least", "below", "at_most", "equals", "not"}
_TESTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "exists": (lambda value: isinstance(value, bool), "true or false"),
    "equals": (lambda _: True, "any value"),
    "not": (lambda _: True, "any value"),
    "one_of": (lambda value: isinstance(value, list) and bool(value), "a list of values"),
    "above": (_number, "a number"),
    "at_least": (_number, "a number"),
    "below": (_number, "a number"),
    "at_most": (_number, "a number"),
    "contains": (_text, "text"),
    "matches": (_text, "a regular expression"),
    "length": (_length, "a number, or tests of one such as {at_least: 1}"),
}


def _read(value: Any) -> Any:
    _check_texts(value)
    if not isinstance(value, dict):
        return value
    for name, wanted in value.items():
        if name not in _TESTS:
            near = nearest(str(name), _TESTS) or f"; there are {', '.join(_TESTS)}"
            raise ValueError(f"{name!r} is no test of a value{near} (an object is compared with equals: {{…}})")
        fits, form = _TESTS[name]
        if not fits(wanted):
            raise ValueError(f"{name} wants {form}, got {shown(wanted)}")
    if "matches" in value:
        try:
            re.compile(value["matches"])
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}, got {shown(value['matches'])}") from error
    return value


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        names_in(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_texts(item)


Checked = Annotated[Any, BeforeValidator(_read)]


def tests_of(value: Any) -> list[dict[str, Any]]:
    """Return the engine's tests; without any, the value must only be there."""
    if value is None:
        return []
    if not isinstance(value, dict):
        return [{"equals": value}]
    return [{name: _length_tests(wanted) if name == "length" else wanted} for name, wanted in value.items()]


def _length_tests(wanted: Any) -> list[dict[str, Any]]:
    return [{"equals": wanted}] if not isinstance(wanted, dict) else [{name: value} for name, value in wanted.items()]
