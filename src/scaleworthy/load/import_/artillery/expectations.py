"""`expect` of the plugin of that name becomes what an answer must be; here a broken one is a failed request."""

from __future__ import annotations

from typing import Any

from scaleworthy.load.base import shown
from scaleworthy.load.import_.artillery.captures import json_path
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.templates import Templates
from scaleworthy.load.yaml_lines import Loc

_WORDS = (
    "statusCode",
    "notStatusCode",
    "contentType",
    "hasProperty",
    "notHasProperty",
    "equals",
    "hasHeader",
    "headerEquals",
    "matchesRegexp",
)
_REFUSED = {
    "cdnHit": "whether a CDN had the answer is not looked at; expect its header: headerEquals: [x-cache, Hit from cloudfront]",
    "jmespath": "JMESPath is not run; use hasProperty, or match with a JSONPath",
    "jpath": "JMESPath is not run; use hasProperty, or match with a JSONPath",
}
_JSON_TYPES = r"application/([\w.+-]+\+)?json"


class Expectations:
    """Compiles the expectations of one file.

    With *default_200* a request without any expects status 200; *is_on* says whether the file turns the plugin on.
    """

    def __init__(self, reading: Reading, templates: Templates, *, default_200: bool, is_on: bool) -> None:
        self._reading = reading
        self._templates = templates
        self._default_200 = default_200
        self._is_on = is_on

    def expect(self, loc: Loc, given: Any) -> dict[str, Any]:
        """Return the plan's `expect` of a request's: a mapping, or a list of mappings."""
        made: dict[str, Any] = {}
        if given is not None and not self._is_on:
            self._reading.note(
                loc, "expect is checked here, though the file has no plugins: {expect: {}} and Artillery skips it"
            )
        for at, item in self._reading.items(loc, given):
            spec = self._reading.mapping(at, item)
            self._reading.check_words(at, spec, _WORDS, _REFUSED)
            for name, value in spec.items():
                if name in _WORDS:
                    self._one((*at, name), name, value, made)
        if not made and given is None and self._default_200:
            made["status"] = 200
        return made

    def _one(self, loc: Loc, name: str, value: Any, made: dict[str, Any]) -> None:
        if name in ("statusCode", "notStatusCode"):
            statuses = [self._status(at, item) for at, item in self._reading.items(loc, value)]
            into = made if name == "statusCode" else made.setdefault("not", {})
            into["status"] = statuses[0] if len(statuses) == 1 else statuses
        elif name == "contentType":
            wanted = {"matches": _JSON_TYPES} if value == "json" else {"equals": self._text(loc, value)}
            made.setdefault("header", {})["content-type"] = wanted
        elif name == "hasProperty":
            made.setdefault("json", {})[json_path(self._text(loc, value))] = None
        elif name == "notHasProperty":
            made.setdefault("json", {})[json_path(self._text(loc, value))] = {"exists": False}
        elif name == "hasHeader":
            made.setdefault("header", {})[self._text(loc, value).lower()] = None
        elif name == "headerEquals":
            self._header_equals(loc, value, made)
        elif name == "matchesRegexp":
            made["matches"] = self._text(loc, value)
        else:
            self._equals(loc, value, made)

    def _header_equals(self, loc: Loc, value: Any, made: dict[str, Any]) -> None:
        if not isinstance(value, list) or len(value) != 2:
            self._reading.refuse(loc, f"must be a header's name and its value, got {shown(value)}")
            return
        name, wanted = self._text(loc, value[0]).lower(), self._text(loc, value[1])
        made.setdefault("header", {})[name] = {"equals": wanted}

    def _equals(self, loc: Loc, value: Any, made: dict[str, Any]) -> None:
        """Values that are the same text are; otherwise templates are compared when the answer is there."""
        if not isinstance(value, list) or len(value) < 2:
            self._reading.note(loc, "equals of fewer than two values always holds, as in Artillery")
            return
        texts = [self._text((*loc, at), item) for at, item in enumerate(value)]
        made["equal"] = [*made.get("equal", ()), texts]

    def _status(self, loc: Loc, value: Any) -> int:
        try:
            status = int(value)
        except (TypeError, ValueError):
            status = 0
        if not 100 <= status <= 599:
            self._reading.refuse(loc, f"must be a status from 100 to 599, got {shown(value)}")
        return status

    def _text(self, loc: Loc, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self._reading.refuse(loc, f"must be text, got {shown(value)}")
            return ""
        return self._templates.text(loc, str(value))
