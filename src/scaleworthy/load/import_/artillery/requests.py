"""One request of a flow: method, URL, headers, body, what is taken from its answer and expected of it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from scaleworthy.errors import UsageError
from scaleworthy.load.base import shown
from scaleworthy.load.http import Target
from scaleworthy.load.import_.artillery import words
from scaleworthy.load.import_.artillery.amounts import switch
from scaleworthy.load.import_.artillery.captures import Captures
from scaleworthy.load.import_.artillery.expectations import Expectations
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.settings import as_text
from scaleworthy.load.import_.artillery.templates import TEMPLATE, Templates
from scaleworthy.load.yaml_lines import Loc

Step = dict[str, Any]


class Requests:
    """Compiles the requests of one file.

    *cookies* are those of `config.http.defaults.cookie`; *prefix* stands before every path, where the plan's target has none.
    """

    def __init__(
        self,
        reading: Reading,
        templates: Templates,
        target: str,
        *,
        captures: Captures,
        expectations: Expectations,
        cookies: dict[str, str],
        prefix: str,
    ) -> None:
        self._reading = reading
        self._templates = templates
        self._target = target
        self._captures = captures
        self._expectations = expectations
        self._cookies = cookies
        self._prefix = prefix

    def step(self, loc: Loc, method: str, params: Any) -> Step | None:
        """Return the plan's step of one request, or None where it was refused."""
        at: Loc = (*loc, method)
        if not isinstance(params, dict):
            self._reading.refuse(at, f"must be a mapping with url, got {shown(params)}; indent url below {method}")
            return None
        self._reading.check_words(at, params, words.REQUEST, words.REQUEST_REFUSED)
        url = params.get("url", params.get("uri"))
        if not isinstance(url, str) or not url.strip():
            self._reading.refuse(at, f"needs a url such as /api/health, got {shown(url)}")
            return None
        made: Step = {method: self._path((*at, "url"), url.strip())}
        if params.get("name") is not None:
            made["name"] = label(str(params["name"]))
        made |= self._beside(at, params)
        made |= self._body(at, params)
        extract = self._captures.extracts((*at, "capture"), params.get("capture"))
        if extract:
            made["extract"] = extract
        expect = self._expect(at, params, extract)
        if expect:
            made["expect"] = expect
        return made

    def _path(self, loc: Loc, url: str) -> str:
        """Return the path below the target; an absolute URL of the same target is one too."""
        text = self._templates.text(loc, url)
        parts = urlsplit(text) if text.startswith(("http://", "https://")) else None
        if parts is None or "{{" in parts.netloc:
            return self._prefix + text if text.startswith("/") else text
        try:
            there, origin = Target.parse(f"{parts.scheme}://{parts.netloc}"), Target.parse(self._target)
        except UsageError as error:
            self._reading.refuse(loc, error.message)
            return "/"
        if (there.scheme, there.host, there.port) != (origin.scheme, origin.host, origin.port):
            return text
        path = text[len(f"{parts.scheme}://{parts.netloc}") :] or "/"
        return path if self._prefix else path.removeprefix(origin.base) or "/"

    def _beside(self, at: Loc, params: dict[str, Any]) -> Step:
        """Return what goes with a request beside its body: headers, query, cookies, authorization, redirects."""
        made: Step = {}
        headers = self._texts((*at, "headers"), params.get("headers"), lower=True)
        if switch(self._reading, (*at, "gzip"), params.get("gzip")) is False:
            headers["accept-encoding"] = "identity"
        if headers.pop("content-length", None) is not None:
            self._reading.note((*at, "headers"), "content-length is set from the body itself")
        if headers:
            made["headers"] = headers
        if query := self._reading.mapping((*at, "qs"), params.get("qs")):
            made["query"] = {
                name: [self._text((*at, "qs", name), item) for item in value]
                if isinstance(value, list)
                else self._text((*at, "qs", name), value)
                for name, value in query.items()
            }
        if cookies := self._cookies | self._texts((*at, "cookie"), params.get("cookie")):
            made["cookies"] = cookies
        auth = self._reading.mapping((*at, "auth"), params.get("auth"))
        self._reading.check_words((*at, "auth"), auth, ("user", "pass"), {})
        if auth:
            made["auth"] = {"basic": [self._text((*at, "auth", part), auth.get(part)) for part in ("user", "pass")]}
        if switch(self._reading, (*at, "followRedirect"), params.get("followRedirect")) is False:
            made["follow_redirects"] = False
        return made

    def _body(self, at: Loc, params: dict[str, Any]) -> Step:
        """Return the request's one body: json goes before formData, form and body, as in Artillery."""
        given = [name for name in ("json", "formData", "form", "body") if params.get(name) is not None]
        if len(given) > 1:
            self._reading.note(at, f"of {' and '.join(given)} only {given[0]} is sent")
        if not given:
            return {}
        name = given[0]
        loc = (*at, name)
        if name == "json":
            return {"json": self._templates.deep(loc, params["json"])}
        if name == "form":
            return {"form": self._texts(loc, params["form"])}
        if name == "formData":
            form = self._reading.mapping(loc, params["formData"])
            return {"multipart": {field: self._part((*loc, field), value) for field, value in form.items()}}
        if isinstance(params["body"], dict | list):
            self._reading.refuse(loc, "must be text; write json: for a JSON body")
            return {}
        return {"body": self._text(loc, params["body"])}

    def _part(self, loc: Loc, value: Any) -> Any:
        """Return one part of a multipart form: a text, or a file with its type."""
        if not isinstance(value, dict):
            return self._text(loc, value)
        self._reading.check_words(loc, value, ("fromFile", "value", "contentType"), {})
        if "fromFile" not in value:
            part = {"value": self._text((*loc, "value"), value.get("value"))}
        elif TEMPLATE.search(str(value["fromFile"])):
            self._reading.refuse((*loc, "fromFile"), "a file is read before the start, so its name holds no template")
            return ""
        else:
            part = {"file": str(value["fromFile"])}
        if value.get("contentType") is not None:
            part["type"] = str(value["contentType"])
        return part if len(part) > 1 or "file" in part else part["value"]

    def _expect(self, at: Loc, params: dict[str, Any], extract: dict[str, Any]) -> dict[str, Any]:
        made = self._expectations.expect((*at, "expect"), params.get("expect"))
        for name, value in self._captures.matches((*at, "match"), params.get("match")).items():
            made[name] = {**made.get(name, {}), **value} if isinstance(value, dict) else value
        for texts in made.pop("equal", ()):
            self._equal((*at, "expect"), texts, extract, made)
        return made

    def _equal(self, loc: Loc, texts: list[str], extract: dict[str, Any], made: dict[str, Any]) -> None:
        """Have values be equal: one that this request captures is looked at where it stands in the answer."""
        captured = [
            found[1] for text in texts if (found := re.fullmatch(r"\{\{ ([^$ ]+) \}\}", text)) and found[1] in extract
        ]
        others = list(dict.fromkeys(text for text in texts if text not in [f"{{{{ {name} }}}}" for name in captured]))
        if not captured and len(others) == 1:
            return
        if len(captured) != 1 or len(others) != 1 or "regex" in extract[captured[0]]:
            self._reading.refuse(
                loc, f"equals compares one value that this request captures by json or header, got {texts}"
            )
            return
        source, wanted = extract[captured[0]], others[0]
        if "header" in source:
            made.setdefault("header", {})[source["header"]] = {"equals": wanted}
        else:
            made.setdefault("json", {})[source["json"]] = {"one_of": [wanted, *_typed(wanted)]}

    def _texts(self, loc: Loc, given: Any, *, lower: bool = False) -> dict[str, str]:
        found = self._reading.mapping(loc, given)
        return {(name.lower() if lower else name): self._text((*loc, name), value) for name, value in found.items()}

    def _text(self, loc: Loc, value: Any) -> str:
        if isinstance(value, dict | list):
            self._reading.refuse(loc, f"must be text, got {shown(value)}")
            return ""
        return self._templates.text(loc, as_text(value))


def label(name: str) -> str:
    """Return a request's name as a label of the results: `read {id}` for `read {{ id }}`."""
    return TEMPLATE.sub(r"{\1}", name)[:200] or "request"


def _typed(text: str) -> list[Any]:
    """Return what the text is besides: values are compared as text, so 3 equals "3"."""
    if text in ("true", "false"):
        return [text == "true"]
    return [float(text) if "." in text else int(text)] if re.fullmatch(r"-?\d{1,15}(\.\d{1,9})?", text) else []
