"""One request of a flow: method, URL, headers and body become a step of the plan."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from scaleworthy.load.base import shown
from scaleworthy.load.http import Target
from scaleworthy.load.import_.artillery import words
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.settings import as_text
from scaleworthy.load.import_.artillery.templates import Templates
from scaleworthy.load.yaml_lines import Loc


class Requests:
    """Compiles requests of one file."""

    def __init__(self, reading: Reading, templates: Templates, target: str) -> None:
        self._reading = reading
        self._templates = templates
        self._target = target

    def step(self, loc: Loc, method: str, params: Any) -> dict[str, Any] | None:
        """Return the plan's step of one request, or None where it was refused."""
        at = (*loc, method)
        if not isinstance(params, dict):
            self._reading.refuse(at, f"must be a mapping with url, got {shown(params)}; indent url below {method}")
            return None
        self._reading.check_words(at, params, words.REQUEST, words.REQUEST_REFUSED)
        url = params.get("url", params.get("uri"))
        if not isinstance(url, str) or not url.strip():
            self._reading.refuse(at, f"needs a url such as /api/health, got {shown(url)}")
            return None
        made: dict[str, Any] = {method: self._path((*at, "url"), url.strip())}
        if params.get("name") is not None:
            made["name"] = self._label(str(params["name"]))
        headers = self._reading.mapping((*at, "headers"), params.get("headers"))
        if headers:
            made["headers"] = {
                name.lower(): self._templates.text((*at, "headers", name), as_text(value))
                for name, value in headers.items()
            }
        return made | self._body(at, params)

    def _path(self, loc: Loc, url: str) -> str:
        """Return the path below the target; an absolute URL of the same target is one too."""
        text = self._templates.text(loc, url)
        origin = Target.parse(self._target)
        parts = urlsplit(text) if text.startswith(("http://", "https://")) else None
        if parts is None:
            return text
        there = Target.parse(f"{parts.scheme}://{parts.netloc}") if "{{" not in parts.netloc else None
        if there is not None and (there.scheme, there.host, there.port) == (origin.scheme, origin.host, origin.port):
            path = text[len(f"{parts.scheme}://{parts.netloc}") :] or "/"
            return path.removeprefix(origin.base) or "/"
        return text

    def _label(self, name: str) -> str:
        return name.replace("{{", "{").replace("}}", "}")[:200]

    def _body(self, at: Loc, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("json") is not None:
            return {"json": self._templates.deep((*at, "json"), params["json"])}
        body = params.get("body")
        if body is not None:
            return {"body": self._templates.text((*at, "body"), as_text(body))}
        return {}
