"""What is written for speed does the same as what is written for readers, on anything."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.http.asking import App, ask
from scaleworthy._native import Redactor
from scaleworthy.runtime.http import Compression

NAMES = ["password", "apiKey", "secret", "token"]
HIDDEN = {name.lower() for name in NAMES}

names = st.one_of(
    st.sampled_from([*NAMES, "api_key", "API-KEY", "Pass_Word", "passwords", "to", "", "_", "tok\ten", 'a"b', "\\"]),
    st.text(max_size=6),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)),
    max_leaves=30,
)  # fmt: skip


def without(value: Any) -> Any:
    """The slow way: read, walk, leave out."""
    if isinstance(value, dict):
        return {
            name: without(one)
            for name, one in value.items()
            if name.translate(str.maketrans("", "", "_-")).casefold() not in HIDDEN
        }
    return [without(one) for one in value] if isinstance(value, list) else value


@settings(max_examples=300, deadline=None, derandomize=True)
@given(values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_what_is_left_is_what_a_walk_leaves(value: Any, indent: Any, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    try:
        told = text.encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair, which no UTF-8 holds
    assert json.loads(Redactor(NAMES).redact(told)) == without(json.loads(text))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(names, st.integers()), max_size=6))
def test_a_name_that_stands_twice_goes_twice(members: list[tuple[str, int]]) -> None:
    told = "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"
    left = json.loads(Redactor(NAMES).redact(told.encode()), object_pairs_hook=list)
    assert [name for name, _ in left] == [name for name, _ in members if without({name: 1})]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(values, st.data())
def test_half_a_json_is_refused_and_never_shown(value: Any, data: st.DataObject) -> None:
    whole = json.dumps({"a": value, "password": "hunter2"}).encode()
    half = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ValueError, match="at byte"):
        Redactor(NAMES).redact(half)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(told: bytes) -> None:
    try:
        left = Redactor(NAMES).redact(told)
    except ValueError:
        return
    assert len(left) <= len(told)


@pytest.mark.parametrize("shape", [b"[", b'{"a":', b'{"password":', b'[{"a":['])
def test_a_hundred_thousand_levels_are_refused(shape: bytes) -> None:
    with pytest.raises(ValueError, match="too deeply"):
        Redactor(NAMES).redact(shape * 100_000)


def test_bytes_that_are_no_utf8_pass_where_they_are_text_and_hide_no_name() -> None:
    assert Redactor(NAMES).redact(b'{"a":"\xff","password":"\xfe"}') == b'{"a":"\xff"}'


OFFERED = ["zstd", "br", "gzip"]
codings = st.sampled_from([*OFFERED, "*", "identity", "deflate", "GZip", "x-gzip"])
weights = st.one_of(
    st.none(),
    st.integers(0, 1000).map(lambda number: f"{number / 1000:g}"),
    st.sampled_from(["1.000", "0.", "1.1", "2", "-1", "nan", "inf", "", "0.1234", "1e-1"]),
)
lists = st.lists(
    st.tuples(codings, weights, st.sampled_from(["", " ", "\t"])), max_size=6, unique_by=lambda one: one[0].lower()
)


def read(part: str | None) -> float:
    """A weight as RFC 9110, 12.4.2 writes it; anything else is none."""
    if part is None:
        return 1.0
    whole, _, rest = part.partition(".")
    if whole not in ("0", "1") or not (rest == "" or rest.isdigit()) or len(rest) > 3:
        return 0.0
    return float(part) if float(part) <= 1 else 0.0


def chosen(wanted: list[tuple[str, str | None, str]]) -> str | None:
    """RFC 9110, 12.5.3, step by step."""
    likes = {name.lower(): read(weight) for name, weight, _ in wanted}
    if "x-gzip" in likes:
        likes.setdefault("gzip", likes["x-gzip"])
    best, most = None, 0.0
    for name in OFFERED:
        liked = likes.get(name, likes.get("*", 0.0))
        if liked > most:
            best, most = name, liked
    return None if likes.get("identity", -math.inf) > most else best


@settings(max_examples=400, deadline=None, derandomize=True)
@given(lists)
def test_the_encoding_is_the_one_the_standard_chooses(wanted: list[tuple[str, str | None, str]]) -> None:
    header = ",".join(f"{gap}{name}" + ("" if weight is None else f";{gap}q={weight}") for name, weight, gap in wanted)
    told = Compression()._choose(header.encode())
    assert (told.decode() if told else None) == chosen(wanted)


@pytest.mark.parametrize("header", [",", ";;;", "q=1", "gzip;q=1;q=0", "\xff", "gzip" * 5_000])
async def test_nonsense_is_no_encoding(header: str) -> None:
    app = Compression().wrap(App(b"x" * 5000, kind="text/plain"))
    assert (await ask(app, accept_encoding=header))["content-encoding"] is None
