"""Read an objective: `p95(load.response_time{step="login"}) < 500ms over 10s for 30s`, or a short form such as `p95 < 500ms`.

docs/reference/objectives.md has the language; its examples are run by a test.
"""

from __future__ import annotations

import re

from scaleworthy.errors import UsageError
from scaleworthy.series.names import KNOWN, Known
from scaleworthy.series.objectives import quantity
from scaleworthy.series.objectives.expression import (
    FUNCTIONS,
    SHORT_RATE,
    SHORT_RATIOS,
    TIMED,
    Expression,
    Operator,
    Selector,
    percentile_name,
)
from scaleworthy.series.objectives.source import Source, Token, nearest
from scaleworthy.units import parse_duration_ns

_PERCENTILE = re.compile(r"p(?P<digits>\d+)(?:\.(?P<more>\d+))?")
_OPERATORS: dict[str, Operator] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_KINDS = {
    "mean": ("histogram", "gauge"),
    "max": ("histogram", "gauge"),
    "min": ("histogram", "gauge"),
    "count": ("histogram",),
    "rate": ("counter",),
    "total": ("counter",),
    "ratio": ("counter",),
}
_BARE = {
    "count": "count(load.response_time)",
    "total": "total(load.failed)",
    "ratio": "ratio(load.failed, load.started)",
}
"""Functions that are of no series unless one is named, with an example of each."""

_INSTEAD = {"histogram": "p95, mean, max, min or count", "gauge": "mean, max or min", "counter": "rate, total or ratio"}


def parse(text: str) -> Expression:
    """Return what *text* says.

    Raises:
        InvalidInput: It is not an objective; the message points at the column and says what was wanted.
    """
    source = Source(text)
    function, series, unit = _left(source)
    operator = _operator(source)
    limit = _limit(source, unit)
    over_s = _duration(source, "over")
    for_s = _duration(source, "for")
    rest = source.peek()
    if rest.kind != "end":
        raise source.error(rest, f"wanted `over TIME`, `for TIME` or the end, got {rest}")
    return Expression(function, series, operator, limit, unit, over_s, for_s)


def _left(source: Source) -> tuple[str, tuple[Selector, ...], str]:
    """Read what is measured: function, series, and the unit of its value."""
    token = source.take()
    if token.kind != "word":
        raise source.error(token, f"wanted a function such as p95, or failed or rate, got {token}")
    if token.text in SHORT_RATIOS:
        over, under = SHORT_RATIOS[token.text]
        labels = _labels(source, KNOWN[over])
        return "ratio", (Selector(over, labels), Selector(under, labels)), "ratio"
    function = _function(source, token)
    if source.take_if("(") is None:
        name = SHORT_RATE if function == "rate" else TIMED
        if function in _BARE:
            raise source.error(source.peek(), f"wanted ( and a series, such as {_BARE[function]}, got {source.peek()}")
        return function, (Selector(name, _labels(source, KNOWN[name])),), _unit(function, KNOWN[name])
    first, known = _selector(source, function, token)
    selectors: tuple[Selector, ...] = (first,)
    if function == "ratio":
        source.expect(",", "a comma and the series to divide by")
        selectors = (first, _selector(source, function, token)[0])
    source.expect(")", ") behind the series")
    return function, selectors, _unit(function, known)


def _function(source: Source, token: Token) -> str:
    found = _PERCENTILE.fullmatch(token.text)
    if found is None:
        if token.text in FUNCTIONS:
            return token.text
        if token.text in KNOWN:
            raise source.error(token, f"wanted a function around the series, such as {_example(KNOWN[token.text])}")
        names = [*FUNCTIONS, *SHORT_RATIOS, "p50", "p90", "p95", "p99", "p999"]
        raise source.error(token, f"there is no function {token.text}{nearest(token.text, names)}")
    digits, more = found["digits"], found["more"]
    if more is not None and len(digits) > 2:
        raise source.error(token, "wanted a percentile such as p99.9 or p999")
    digits = digits.zfill(2) + (more or "")
    if digits.strip("0") == "":
        raise source.error(token, "there is no percentile 0: use min")
    if digits == "100":
        raise source.error(token, "there is no percentile 100 here: use max")
    return percentile_name(digits)


def _example(known: Known) -> str:
    function = {"histogram": "p95", "gauge": "mean", "counter": "total"}[known.kind]
    return f"{function}({known.name})"


def _selector(source: Source, function: str, of: Token) -> tuple[Selector, Known]:
    token = source.take()
    if token.kind != "word":
        raise source.error(token, f"wanted a series such as load.response_time, got {token}")
    known = KNOWN.get(token.text)
    if known is None:
        raise source.error(token, f"there is no series {token.text}{nearest(token.text, list(KNOWN))}")
    if known.kind not in _KINDS.get(function, ("histogram",)):
        message = f"{function} does not fit {known.name}, which is a {known.kind}: use {_INSTEAD[known.kind]}"
        raise source.error(of, message)
    return Selector(known.name, _labels(source, known)), known


def _labels(source: Source, known: Known) -> tuple[tuple[str, str], ...]:
    """Read `{name="value",...}`, if it is there."""
    if source.take_if("{") is None:
        return ()
    allowed, labels = dict(known.labels), dict[str, str]()
    while source.take_if("}") is None:
        if labels:
            source.expect(",", ", or } behind the label")
        name = source.take()
        if name.kind != "word":
            raise source.error(name, f"wanted a label's name, got {name}")
        if name.text not in allowed:
            has = f"{known.name} has no label {name.text}"
            raise source.error(name, has + (nearest(name.text, list(allowed)) if allowed else ", and no other"))
        if name.text in labels:
            raise source.error(name, f"the label {name.text} is named twice")
        source.expect("=", '= and a value in quotes, such as ="login"')
        value = source.take()
        if value.kind != "string":
            raise source.error(value, f'wanted a value in quotes, such as "login", got {value}')
        text = re.sub(r"\\(.)", r"\1", value.text[1:-1])
        values = allowed[name.text]
        if values is not None and text not in values:
            raise source.error(value, f"{name.text} is never {text!r}{nearest(text, list(values))}")
        labels[name.text] = text
    return tuple(sorted(labels.items()))


def _unit(function: str, known: Known) -> str:
    if function in ("ratio", "count"):
        return {"ratio": "ratio", "count": "records"}[function]
    return f"{known.unit}/s" if function == "rate" else known.unit


def _operator(source: Source) -> Operator:
    token = source.take()
    if token.text not in _OPERATORS:
        raise source.error(token, f"wanted <, <=, > or >=, got {token}")
    return _OPERATORS[token.text]


def _limit(source: Source, unit: str) -> float:
    """Read a number with its unit, which may stand apart from it."""
    token = source.take()
    if token.kind != "quantity":
        raise source.error(token, f"wanted {quantity.wanted(unit)}, got {token}")
    text = token.text
    for may_follow in (quantity.UNITS, {"/s"}):
        if source.peek().text.replace(" ", "") in may_follow:
            text += source.take().text
    value = quantity.read(text, unit)
    if value is None:
        raise source.error(Token("quantity", text, token.at), f"wanted {quantity.wanted(unit)}, got {text!r}")
    return value


def _duration(source: Source, word: str) -> int | None:
    """Read `over TIME` or `for TIME`, in whole seconds."""
    if source.take_if(word) is None:
        return None
    token = source.take()
    try:
        nanoseconds = parse_duration_ns(token.text)
    except UsageError:
        raise source.error(token, f"wanted a time behind `{word}`, such as {word} 10s, got {token}") from None
    seconds, rest = divmod(nanoseconds, 10**9)
    if rest or seconds < 1:
        raise source.error(token, f"wanted whole seconds behind `{word}`, at least 1s, got {token}")
    return seconds
