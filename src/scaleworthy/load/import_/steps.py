"""What imports of recorded requests share: one request as a step of the plan file's form, in the target's own terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from scaleworthy.load.request_step import METHODS
from scaleworthy.load.route import route_of

# Made anew for each connection or request, or by the engine itself.
_NOT_SENT = {
    "accept-encoding", "connection", "content-length", "cookie", "cookie2", "expect", "host", "keep-alive", "proxy-authorization",
    "proxy-connection", "te", "transfer-encoding", "upgrade", "upgrade-insecure-requests",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that somebody sent.

    Attributes:
        url: Absolute.
        body: Text, or None; `form` stands in for it where it is one.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    form: Mapping[str, str] | None = None
    name: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def origin_of(url: str) -> str:
    """Return scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers that belong to the request itself: names in lower case, without what a connection or a browser adds."""
    kept = {name.lower(): value for name, value in headers}
    return {
        name: value
        for name, value in kept.items()
        if name not in _NOT_SENT and not name.startswith((":", "sec-", "if-none-match", "if-modified-since"))
    }


def step_of(sent: Sent, *, target: str) -> dict[str, Any]:
    """Return the step that sends *sent*; a URL of another origin than *target* stays whole.

    Raises:
        ValueError: It cannot be sent by a plan; the text says why.
    """
    method = sent.method.lower()
    if method not in METHODS:
        raise ValueError(f"the method {sent.method} is not one of {', '.join(METHODS)}")
    parts = urlsplit(sent.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = origin_of(sent.url) == target
    step: dict[str, Any] = {method: path if own else origin_of(sent.url) + path}
    step["name"] = sent.name or f"{sent.method.upper()} {'' if own else origin_of(sent.url)}{route_of(path)}"[:200]
    headers = dict(sent.headers)
    if sent.form is not None:
        step["form"] = dict(sent.form)
        headers.pop("content-type", None)
    elif sent.body is not None:
        step["body"] = sent.body
    if headers:
        step["headers"] = headers
    return step | dict(sent.more)


def form_of(body: str, content_type: str) -> dict[str, str] | None:
    """Return the fields of a urlencoded body; None where it is something else, or names a field twice."""
    if content_type.split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return None
    pairs = parse_qsl(body, keep_blank_values=True)
    return dict(pairs) if len(dict(pairs)) == len(pairs) else None
