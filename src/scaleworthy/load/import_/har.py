"""A recording of a browser (HTTP Archive) as a plan: its requests in their order, with the pauses between them.

Kept are the requests to the page's own origin; others (fonts, analytics, advertising) are left out and named, because loading them is not
yours to do. Source: HTTP Archive 1.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scaleworthy.errors import InvalidInput
from scaleworthy.load.import_.imported import Document, Imported, Wishes
from scaleworthy.load.import_.steps import Sent, form_of, kept_headers, origin_of, step_of
from scaleworthy.load.plan import make_plan

_PAUSE_LEAST_S = 0.5
_PAUSE_MOST_S = 60.0


def is_har(data: Mapping[str, Any]) -> bool:
    """Return whether a mapping is an HTTP Archive."""
    log = data.get("log")
    return isinstance(log, dict) and isinstance(log.get("entries"), list)


def har_plan(document: Document, wishes: Wishes) -> Imported:
    """Return the plan of one user who does what the browser did.

    Raises:
        InvalidInput: No request in it can be sent again; each reason.
    """
    entries = [entry for entry in document.data["log"]["entries"] if isinstance(entry, dict)]
    urls = [str((entry.get("request") or {}).get("url", "")) for entry in entries]
    web = [origin_of(url) for url in urls if url.startswith(("http://", "https://"))]
    if not web:
        raise InvalidInput(document.path.name, ["log.entries: no request over HTTP"])
    target = web[0]
    steps: list[dict[str, Any]] = []
    notes, others = [], Counter(origin for origin in web if origin != target)
    ended: float | None = None
    for at, entry in enumerate(entries):
        if not urls[at].startswith(("http://", "https://")) or origin_of(urls[at]) != target:
            continue
        try:
            step = _step(entry["request"], target)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            notes.append(f"entry {at + 1} ({urls[at][:80]}) is left out: {error or type(error).__name__}")
            continue
        began = _seconds(entry.get("startedDateTime"))
        if ended is not None and began is not None and began - ended >= _PAUSE_LEAST_S:
            steps.append({"think": f"{round(min(began - ended, _PAUSE_MOST_S) * 1000)}ms"})
        steps.append(step)
        if began is not None:
            ended = max(ended or 0.0, began + float(entry.get("time") or 0.0) / 1e3)
    if not any("think" not in step for step in steps):
        raise InvalidInput(document.path.name, notes or ["log.entries: no request of the first one's origin"])
    if others:
        listed = ", ".join(f"{origin} ({count})" for origin, count in others.most_common(5))
        notes.append(f"requests to other origins are left out: {listed}{', …' if len(others) > 5 else ''}")
    if (unsafe := sum("get" not in step and "head" not in step and "think" not in step for step in steps)) > 0:
        notes.append(f"{unsafe} requests may change data; look at them before you load with many users")
    data = {"target": wishes.target or target, "scenarios": [{"name": "recorded", "steps": steps}]}
    return Imported(make_plan(data, folder=document.path.parent, what=document.path.name), data, tuple(notes))


def _step(request: Mapping[str, Any], target: str) -> dict[str, Any]:
    headers = kept_headers((str(item["name"]), str(item["value"])) for item in request.get("headers") or ())
    post = request.get("postData") or {}
    body, form = post.get("text"), None
    if post.get("params") and not body:
        form = {str(item["name"]): str(item.get("value", "")) for item in post["params"]}
    elif isinstance(body, str) and body:
        form = form_of(body, headers.get("content-type", str(post.get("mimeType", ""))))
        if "{{" in body:
            raise ValueError("its body holds '{{', which a plan takes for a template")
    sent = Sent(str(request["method"]), str(request["url"]), headers, None if form else body or None, form)
    return step_of(sent, target=target)


def _seconds(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
