"""Scenarios of `engine: ws`: one WebSocket that is opened, talked on and closed.

A `send` with a capture or match waits for the answer to it; any other `send` does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from scaleworthy.load.base import SECOND_NS, duration_text, shown
from scaleworthy.load.http import Target
from scaleworthy.load.import_.artillery import words
from scaleworthy.load.import_.artillery.amounts import number
from scaleworthy.load.import_.artillery.captures import Captures
from scaleworthy.load.import_.artillery.loops import Loops
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.settings import as_text
from scaleworthy.load.import_.artillery.templates import Templates
from scaleworthy.load.import_.artillery.thinking import Thinking
from scaleworthy.load.yaml_lines import Loc

Step = dict[str, Any]
_WORDS = ("subprotocols", "headers", "timeout")
_REFUSED = {"proxy": "a proxy for WebSockets is not used; leave it out"}
_CONNECT = ("target", "subprotocols", "headers")
_STEPS_MAX = 5_000
_TIMEOUT_S = 10.0


class Sockets:
    """Compiles flows over WebSocket; *target* is the URL that they are opened at."""

    def __init__(
        self,
        reading: Reading,
        templates: Templates,
        captures: Captures,
        thinking: Thinking,
        *,
        config: Mapping[str, Any],
        target: str,
    ) -> None:
        self._reading = reading
        self._templates = templates
        self._captures = captures
        self._thinking = thinking
        self._loops = Loops(reading, templates)
        self._target = target
        self._config = reading.mapping(("config", "ws"), config.get("ws"))
        reading.check_words(("config", "ws"), self._config, _WORDS, _REFUSED)
        timeout_s = number(reading, ("config", "ws", "timeout"), self._config.get("timeout", config.get("timeout")))
        self._timeout = duration_text(round((timeout_s or _TIMEOUT_S) * SECOND_NS))

    def step(self, loc: Loc, flow: Any) -> Step | None:
        """Return the plan's one step of a flow, or None where it was refused."""
        if not isinstance(flow, list) or not flow:
            self._reading.refuse(loc, f"must be a list of steps, got {shown(flow)}")
            return None
        first = flow[0]
        connect = first.get("connect") if isinstance(first, dict) else None
        made = self._opening((*loc, 0, "connect"), connect)
        talk: list[Step] = []
        rest = flow[1:] if connect is not None else flow
        for at, item in enumerate(rest, int(connect is not None)):
            self._talk((*loc, at), item, talk)
        if made is not None and talk:
            made["steps"] = talk
        return made

    def _opening(self, loc: Loc, connect: Any) -> Step | None:
        """Return the opening: `connect` as a URL or a mapping in place of the config's target, headers and subprotocols."""
        spec: dict[str, Any] = {"target": connect} if isinstance(connect, str) else self._reading.mapping(loc, connect)
        self._reading.check_words(loc, spec, _CONNECT, {"function": words.JAVASCRIPT, **_REFUSED})
        given = spec.get("target", self._target)
        if not isinstance(given, str):
            self._reading.refuse(loc, f"target must be a URL, got {shown(given)}")
            return None
        path = self._path(loc, self._templates.text(loc, given))
        if path is None:
            return None
        made: Step = {"websocket": path}
        headers = self._reading.mapping((*loc, "headers"), spec.get("headers", self._config.get("headers")))
        offered = spec.get("subprotocols", self._config.get("subprotocols"))
        subprotocols = [as_text(name) for _, name in self._reading.items((*loc, "subprotocols"), offered)]
        sent: dict[str, str] = {}
        for name, value in headers.items():
            if name.lower() == "sec-websocket-protocol":
                subprotocols += [part.strip() for part in as_text(value).split(",")]
            else:
                sent[name.lower()] = self._templates.text((*loc, "headers", name), as_text(value))
        if sent:
            made["headers"] = sent
        if subprotocols:
            made["subprotocols"] = subprotocols
        return made

    def _path(self, loc: Loc, text: str) -> str | None:
        """Return the path of a URL of the target; a path alone is one of it."""
        if text.startswith("/"):
            return text
        parts = urlsplit(text.replace("wss://", "https://", 1).replace("ws://", "http://", 1))
        origin = Target.parse(self._target)
        usual = {"http": 80, "https": 443}.get(parts.scheme)
        try:
            same = (parts.scheme, parts.hostname, parts.port or usual) == (origin.scheme, origin.host, origin.port)
        except ValueError:
            same = False
        if not same:
            self._reading.refuse(loc, f"must be a WebSocket of the target {origin.url}, got {shown(text)}")
            return None
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _talk(self, loc: Loc, item: Any, into: list[Step]) -> None:
        given = self._reading.mapping(loc, item)
        kinds = [name for name in given if name in words.STEPS_WS]
        if len(kinds) != 1 or len(into) >= _STEPS_MAX:
            self._reading.check_words(loc, given, words.STEPS_WS, words.STEPS_REFUSED)
            if len(into) >= _STEPS_MAX:
                self._reading.refuse(loc, f"more than {_STEPS_MAX:,} messages on one socket")
            return
        kind = kinds[0]
        if kind == "send":
            self._send((*loc, "send"), given["send"], into)
        elif kind == "think":
            pause = self._thinking.step((*loc, "think"), given["think"], given.get("jitter"))
            into += [pause] if pause is not None else []
        elif kind == "loop":
            self._loop(loc, given, into)
        elif kind == "log":
            into.append({"log": self._templates.text((*loc, "log"), str(given["log"]))})
        else:
            self._reading.refuse((*loc, "connect"), "connect stands first in a flow")

    def _send(self, loc: Loc, given: Any, into: list[Step]) -> None:
        asks = isinstance(given, dict) and ("capture" in given or "match" in given)
        payload = given.get("payload") if asks else given
        if payload is not None:
            if isinstance(payload, dict | list):
                into.append({"send": {"json": self._templates.deep(loc, payload)}})
            else:
                into.append({"send": self._templates.text(loc, as_text(payload))})
        if not asks:
            return
        self._reading.check_words(loc, given, ("payload", "capture", "match"), {})
        receive: Step = {"receive": {"timeout": self._timeout}}
        extract = self._captures.extracts((*loc, "capture"), given.get("capture"))
        expect = self._captures.matches((*loc, "match"), given.get("match"))
        into.append(receive | ({"extract": extract} if extract else {}) | ({"expect": expect} if expect else {}))

    def _loop(self, loc: Loc, given: dict[str, Any], into: list[Step]) -> None:
        steps = given["loop"]
        if not isinstance(steps, list) or not steps:
            self._reading.refuse((*loc, "loop"), f"must be a list of steps, got {shown(steps)}")
            return
        with self._loops.within(loc, given) as form:
            inner: list[Step] = []
            for at, step in enumerate(steps):
                self._talk((*loc, "loop", at), step, inner)
            if form is not None and inner:
                into.append({"loop": form | {"steps": inner}})
