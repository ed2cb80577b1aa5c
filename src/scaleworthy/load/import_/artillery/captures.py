"""`capture` and `match`: what later steps take from an answer, and what an answer must say."""

from __future__ import annotations

import re
from typing import Any

from scaleworthy.load.base import shown
from scaleworthy.load.import_.artillery.amounts import switch
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.templates import NAME, Templates
from scaleworthy.load.yaml_lines import Loc

_WORDS = ("json", "regexp", "header", "as", "value", "strict", "group", "flags", "multiple")
_REFUSED = dict.fromkeys(
    ("xpath", "selector", "attr", "index", "transform"),
    "HTML and XML are not parsed; capture the value by regexp",
)
_NAMED_GROUP = re.compile(r"\(\?<([A-Za-z_]\w*)>")


class Captures:
    """Compiles the captures and matches of one file; *strict* is `config.http.defaults.strictCapture`."""

    def __init__(self, reading: Reading, templates: Templates, *, strict: bool) -> None:
        self._reading = reading
        self._templates = templates
        self._strict = strict

    def extracts(self, loc: Loc, given: Any) -> dict[str, Any]:
        """Return the plan's `extract` of a request's `capture`."""
        made: dict[str, Any] = {}
        for at, item in self._reading.items(loc, given):
            spec = self._reading.mapping(at, item)
            if not spec:
                continue
            if "as" not in spec and "value" in spec:
                self._reading.refuse(
                    at, "a value to compare with belongs under match, or give the capture a name with as"
                )
                continue
            name = spec.get("as")
            if not isinstance(name, str) or not NAME.fullmatch(name):
                self._reading.refuse(at, f"needs as: the name to keep the value under, got {shown(name)}")
                continue
            source = self._source(at, spec)
            if source is None:
                continue
            strict = switch(self._reading, (*at, "strict"), spec.get("strict"))
            if not (self._strict if strict is None else strict):
                source["strict"] = False
            made[name] = source
        return made

    def matches(self, loc: Loc, given: Any) -> dict[str, Any]:
        """Return the plan's `expect` of a request's `match`."""
        values: dict[str, Any] = {}
        expect: dict[str, Any] = {}
        for at, item in self._reading.items(loc, given):
            spec = self._reading.mapping(at, item)
            if not spec:
                continue
            source = self._source(at, spec)
            if source is None:
                continue
            if switch(self._reading, (*at, "strict"), spec.get("strict")) is False:
                self._reading.note(at, "a match that is not strict changes nothing, so it is left out")
            elif "json" in source:
                values[source["json"]] = self._templates.deep((*at, "value"), spec.get("value"))
            elif "regex" in source and spec.get("value") is None:
                expect["matches"] = source["regex"]
            elif "header" in source and isinstance(spec.get("value"), str):
                equals = self._templates.text((*at, "value"), spec["value"])
                expect.setdefault("header", {})[source["header"]] = {"equals": equals}
            else:
                self._reading.refuse(
                    at, "a match by regexp against a value is not run; capture it, and use expect: equals"
                )
        return expect | ({"json": values} if values else {})

    def _source(self, loc: Loc, spec: dict[str, Any]) -> dict[str, Any] | None:
        self._reading.check_words(loc, spec, _WORDS, _REFUSED)
        if set(_REFUSED) & spec.keys():
            return None
        given = [kind for kind in ("json", "regexp", "header") if isinstance(spec.get(kind), str) and spec[kind]]
        if len(given) != 1:
            self._reading.refuse(
                loc, f"needs exactly one of json, regexp and header, got {' and '.join(given) or 'none'}"
            )
            return None
        kind = given[0]
        if kind == "json":
            return {"json": json_path(spec["json"])}
        if kind == "header":
            return {"header": spec["header"].lower()}
        return self._regex(loc, spec)

    def _regex(self, loc: Loc, spec: dict[str, Any]) -> dict[str, Any]:
        pattern, group = spec["regexp"], spec.get("group")
        names = [found[1] for found in _NAMED_GROUP.finditer(pattern)]
        number = 0
        if isinstance(group, str) and group in names:
            number = _group_number(pattern, group)
        elif group is not None:
            try:
                number = int(group)
            except (TypeError, ValueError):
                self._reading.refuse((*loc, "group"), f"there is no group {shown(group)} in {shown(pattern)}")
        flags = spec.get("flags")
        if isinstance(flags, str) and set(flags) & set("ims"):
            pattern = f"(?{''.join(flag for flag in flags if flag in 'ims')}){pattern}"
        # Rust and Python write a named group with P; a look-around or a back reference is refused by the engine.
        return {"regex": _NAMED_GROUP.sub(r"(?P<\1>", pattern), "group": number}


def _group_number(pattern: str, name: str) -> int:
    """Return the number of the group of that name: how many groups open up to it."""
    before = pattern[: pattern.index(f"(?<{name}>")]
    return 1 + len(re.findall(r"(?<!\\)\((?!\?)|(?<!\\)\(\?<[A-Za-z_]", before))


def json_path(path: str) -> str:
    """Return a JSONPath that begins at the root, as Artillery lets it be left out: `data.id` is `$.data.id`."""
    text = path.strip()
    if text.startswith("$"):
        return text
    return f"${text}" if text.startswith(("[", ".")) else f"$.{text}"
