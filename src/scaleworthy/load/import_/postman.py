"""A Postman collection (version 2.0 or 2.1) as a plan: its requests in their order, its variables as the plan's.

Scripts (pre-request and tests) are JavaScript and are not run; each request that has one is named. Source: the Postman Collection
Format's schema, 2.1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from scaleworthy.errors import InvalidInput
from scaleworthy.load.import_.imported import Document, Imported, Wishes
from scaleworthy.load.import_.steps import Sent, kept_headers, origin_of, step_of
from scaleworthy.load.plan import make_plan

_DYNAMIC = {
    "$guid": "$uuid", "$randomUUID": "$uuid", "$randomInt": "$random(0, 1000)", "$timestamp": "$timestamp",
    "$isoTimestamp": "$iso_date",
}  # fmt: skip
_PLACE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


def is_postman(data: Mapping[str, Any]) -> bool:
    """Return whether a mapping is a Postman collection."""
    info = data.get("info")
    return (
        isinstance(info, dict)
        and "getpostman.com" in str(info.get("schema", ""))
        and isinstance(data.get("item"), list)
    )


def postman_plan(document: Document, wishes: Wishes) -> Imported:
    """Return the plan of one user who sends the collection's requests in their order.

    Raises:
        InvalidInput: Every request that cannot be sent, with its name.
    """
    data = document.data
    variables = {
        str(item["key"]): str(item.get("value", ""))
        for item in data.get("variable") or ()
        if isinstance(item, dict) and "key" in item
    }
    found = list(_requests(data["item"], data.get("auth"), ""))
    notes, problems, steps = [], [], []
    target: str | None = None
    for name, item, auth in found:
        try:
            request = (
                item["request"] if isinstance(item["request"], dict) else {"method": "GET", "url": item["request"]}
            )
            url = _filled(_url(request.get("url")), variables)
            if not url.startswith(("http://", "https://")):
                raise ValueError(
                    f"its URL {url!r} begins with a variable that has no value: give it one in the collection"
                )
            target = target or origin_of(url)
            steps.append(_step(name, request, url, request.get("auth") or auth, target))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            problems.append(f"{name}: {error or type(error).__name__}")
            continue
        scripts = {event.get("listen") for event in item.get("event") or () if (event.get("script") or {}).get("exec")}
        if scripts:
            notes.append(f"{name}: its scripts ({', '.join(sorted(map(str, scripts)))}) are not run")
    if not found:
        problems.append("item: there is no request in it")
    if problems:
        raise InvalidInput(document.path.name, problems)
    used = {name for step in steps for name in _PLACE.findall(str(step))}
    plan = {
        "target": wishes.target or target,
        "variables": {name: value for name, value in variables.items() if name in used},
        "scenarios": [{"name": str(data["info"].get("name") or "collection"), "steps": steps}],
    }
    return Imported(make_plan(plan, folder=document.path.parent, what=document.path.name), plan, tuple(notes))


def _requests(items: Any, auth: Any, folder: str) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    for item in items if isinstance(items, list) else ():
        name = f"{folder}{item.get('name') or 'request'}"
        if isinstance(item.get("item"), list):
            yield from _requests(item["item"], item.get("auth") or auth, f"{name} / ")
        elif "request" in item:
            yield name, item, auth


def _url(url: Any) -> str:
    if isinstance(url, dict):
        raw = str(url.get("raw") or "")
        # Path variables (`:id`) have their values beside the URL.
        for item in url.get("variable") or ():
            raw = re.sub(rf"/:{re.escape(str(item['key']))}(?=[/?#]|$)", f"/{item.get('value', '')}", raw)
        return raw
    return str(url or "")


def _step(name: str, request: Mapping[str, Any], url: str, auth: Any, target: str) -> dict[str, Any]:
    listed = [item for item in request.get("header") or () if not item.get("disabled")]
    headers = kept_headers((str(item["key"]), _templates(str(item.get("value", "")))) for item in listed)
    more: dict[str, Any] = {}
    body, form = _body(request.get("body"), headers, more)
    _add_auth(auth, headers, more)
    method = str(request.get("method", "GET"))
    return step_of(Sent(method, url, headers, body, form, name[:200], more), target=target)


def _body(body: Any, headers: dict[str, str], more: dict[str, Any]) -> tuple[str | None, dict[str, str] | None]:
    if not isinstance(body, dict) or body.get("disabled"):
        return None, None
    mode = body.get("mode")
    if mode == "raw":
        if ((body.get("options") or {}).get("raw") or {}).get("language") == "json":
            headers.setdefault("content-type", "application/json")
        return _templates(str(body.get("raw", ""))) or None, None
    if mode in ("urlencoded", "formdata"):
        fields = [item for item in body.get(mode) or () if not item.get("disabled")]
        if mode == "urlencoded":
            return None, {str(item["key"]): _templates(str(item.get("value", ""))) for item in fields}
        headers.pop("content-type", None)
        more["multipart"] = {
            str(item["key"]): {"file": str(item["src"])}
            if item.get("type") == "file"
            else _templates(str(item.get("value", "")))
            for item in fields
        }
        return None, None
    if mode == "graphql":
        more["json"] = {"query": str(body["graphql"].get("query", ""))}
        return None, None
    if mode is None:
        return None, None
    raise ValueError(f"a body of the mode {mode!r} is not known; the modes are raw, urlencoded, formdata and graphql")


def _add_auth(auth: Any, headers: dict[str, str], more: dict[str, Any]) -> None:
    kind = auth.get("type") if isinstance(auth, dict) else None
    if kind in (None, "noauth") or "authorization" in headers:
        return
    listed = auth.get(kind)
    given = {item["key"]: item.get("value") for item in listed} if isinstance(listed, list) else dict(listed or {})
    if kind == "basic":
        more["auth"] = {
            "basic": [_templates(str(given.get("username", ""))), _templates(str(given.get("password", "")))]
        }
    elif kind == "bearer":
        more["auth"] = {"bearer": _templates(str(given.get("token", "")))}
    elif kind == "apikey" and given.get("in", "header") == "header":
        headers[str(given.get("key", "x-api-key")).lower()] = _templates(str(given.get("value", "")))
    else:
        raise ValueError(f"auth of the type {kind!r} is not known; the types are basic, bearer and apikey in a header")


def _templates(text: str) -> str:
    """Return *text* with Postman's dynamic variables as the plan's."""
    return _PLACE.sub(lambda place: f"{{{{ {_DYNAMIC.get(place[1], place[1])} }}}}", text)


def _filled(url: str, variables: Mapping[str, str]) -> str:
    """Return a URL whose origin holds no variable any more; later ones stay templates."""
    for _ in range(4):
        match = _PLACE.match(url)
        if match is None:
            break
        value = variables.get(match[1])
        if not value:
            return url
        url = value + url[match.end() :]
    if url and "://" not in url.split("/")[0] and not url.startswith(("{{", "http")):
        url = f"http://{url}"
    return _templates(url)
