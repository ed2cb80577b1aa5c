"""curl command lines as a plan: what a browser's "copy as cURL" or an API's documentation gives, in their order.

Options that change what is sent are kept, options of curl's own output are passed over, and every other is refused by name.
Source: curl(1), 8.x.
"""

from __future__ import annotations

import shlex
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from scaleworthy.errors import InvalidInput
from scaleworthy.load.import_.imported import Imported, Wishes
from scaleworthy.load.import_.steps import Sent, form_of, kept_headers, origin_of, step_of
from scaleworthy.load.plan import make_plan

SUFFIXES = {".curl", ".sh"}
_SILENT = {
    "-s", "--silent", "-S", "--show-error", "-v", "--verbose", "-i", "--include", "-f", "--fail", "-N", "--no-buffer", "-g", "--globoff",
    "--compressed", "-L", "--location", "--http1.1", "-#", "--progress-bar", "--no-progress-meter",
}  # fmt: skip
_SILENT_WITH_VALUE = {
    "-o", "--output", "-w", "--write-out", "--max-redirs", "--retry", "--connect-timeout", "-D", "--dump-header",
}  # fmt: skip
_LONG = {
    "-X": "--request", "-H": "--header", "-d": "--data", "-F": "--form", "-u": "--user", "-b": "--cookie", "-A": "--user-agent",
    "-e": "--referer", "-G": "--get", "-I": "--head", "-k": "--insecure", "-m": "--max-time", "-x": "--proxy",
    "--data-ascii": "--data", "--data-raw": "--data",
}  # fmt: skip


@dataclass(slots=True)
class _Command:
    """One curl command, as far as it was read."""

    method: str | None = None
    url: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    parts: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    http: dict[str, Any] = field(default_factory=dict)
    as_query: bool = False
    head: bool = False
    problems: list[str] = field(default_factory=list)


def is_curl(text: str) -> bool:
    """Return whether a text is curl commands: its first line that is neither empty nor a comment begins with `curl`."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first.removeprefix("$ ").startswith("curl ")


def curl_plan(text: str, path: Path, wishes: Wishes) -> Imported:
    """Return the plan of one user who sends what the commands send, in their order.

    Raises:
        InvalidInput: Every option that is not known and every command without a URL, with the command's number; or no command.
    """
    commands = list(_commands(text, path))
    if not commands:
        raise InvalidInput(
            path.name,
            [f"a curl command is wanted, and there is none in it; got {_first_line(text)}"],
            hint="put a line such as curl http://127.0.0.1:8000/api into it, or write a plan: docs/reference/plan.md",
        )
    problems = [f"command {at}: {problem}" for at, command in enumerate(commands, 1) for problem in command.problems]
    problems += [
        f"command {at}: there is no URL in it" for at, command in enumerate(commands, 1) if command.url is None
    ]
    if problems:
        raise InvalidInput(
            path.name, problems, hint="leave such options out of the file, or write a plan: docs/reference/plan.md"
        )
    urls = [command.url or "" for command in commands]
    target = origin_of(urls[0])
    http: dict[str, Any] = {}
    for command in commands:
        http |= command.http
    try:
        steps = [step_of(_sent(command), target=target) for command in commands]
    except ValueError as error:
        raise InvalidInput(path.name, [str(error)]) from error
    data: dict[str, Any] = {"target": wishes.target or target, "scenarios": [{"name": "curl", "steps": steps}]}
    if http:
        data["http"] = http
    return Imported(make_plan(data, folder=path.parent, what=path.name), data)


def _first_line(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return f"{first[:60]!r}" if first else "nothing but comments and empty lines" if text.strip() else "an empty file"


def _commands(text: str, path: Path) -> Iterator[_Command]:
    try:
        words = shlex.split(text.replace("\\\r\n", " ").replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise InvalidInput(path.name, [f"the commands cannot be read: {error}"]) from error
    at = [number for number, word in enumerate(words) if word == "curl"]
    for number, begin in enumerate(at):
        end = at[number + 1] if number + 1 < len(at) else len(words)
        yield _command([word for word in words[begin + 1 : end] if word not in ("$", ";", "&&")], path.parent)


def _command(words: list[str], folder: Path) -> _Command:
    command = _Command()
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            if command.url is not None:
                command.problems.append(f"a second URL {word!r}; write one command for each")
            command.url = word if "://" in word else f"http://{word}"
            continue
        if word in _SILENT or (word.startswith("-") and not word.startswith("--") and set(word[1:]) <= set("sSvifNgL")):
            continue
        option, equals, value = word.partition("=") if word.startswith("--") else (word[:2], "", word[2:])
        name = _LONG.get(option, option)
        if name in _FLAGS:
            _FLAGS[name](command)
            continue
        if not (equals or value):
            value = next(rest, "")
        if option in _SILENT_WITH_VALUE:
            continue
        take = _VALUES.get(name)
        if take is None:
            command.problems.append(f"the option {option} is not known here")
            continue
        try:
            take(command, value, folder)
        except (OSError, ValueError) as error:
            command.problems.append(f"{option} {value[:60]!r}: {error}")
    return command


def _header(command: _Command, value: str, _: Path) -> None:
    name, colon, text = value.partition(":")
    if not colon:
        raise ValueError("a header is 'Name: value'")
    if name.strip().lower() == "cookie":
        return _cookie(command, text, _)
    command.headers.append((name.strip(), text.strip()))
    return None


def _cookie(command: _Command, value: str, _: Path) -> None:
    pairs = [pair.strip().partition("=") for pair in value.split(";") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("cookies are 'name=value; name=value'; a file of cookies is not read")
    command.more["cookies"] = command.more.get("cookies", {}) | {name: text for name, _equals, text in pairs}


def _data(command: _Command, value: str, folder: Path) -> None:
    # curl leaves line ends out of a file given to --data, and sends --data-binary as it is.
    text = (
        (folder / value[1:]).read_text(encoding="utf-8").replace("\r", "").replace("\n", "")
        if value.startswith("@")
        else value
    )
    command.data.append(text)


def _binary(command: _Command, value: str, folder: Path) -> None:
    command.data.append((folder / value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value)


def _encoded(command: _Command, value: str, _: Path) -> None:
    name, equals, text = value.partition("=")
    command.data.append(
        f"{name}={quote(text, safe='')}" if equals and name else quote(text if equals else value, safe="")
    )


def _json(command: _Command, value: str, folder: Path) -> None:
    _binary(command, value, folder)
    command.headers += [("content-type", "application/json"), ("accept", "application/json")]


def _form(command: _Command, value: str, _: Path) -> None:
    name, equals, text = value.partition("=")
    if not equals:
        raise ValueError("a form field is name=value or name=@file")
    if text.startswith("@"):
        file, _eq, kind = text[1:].partition(";type=")
        command.parts[name] = {"file": file, "type": kind} if kind else {"file": file}
    else:
        command.parts[name] = text


def _user(command: _Command, value: str, _: Path) -> None:
    user, _colon, password = value.partition(":")
    command.more["auth"] = {"basic": [user, password]}


_FLAGS: dict[str, Callable[[_Command], None]] = {
    "--get": lambda command: setattr(command, "as_query", True),
    "--head": lambda command: setattr(command, "head", True),
    "--insecure": lambda command: command.http.update(insecure=True),
    "--http2": lambda command: command.http.update(version="auto"),
    "--http2-prior-knowledge": lambda command: command.http.update(version="2-prior-knowledge"),
}
_VALUES: dict[str, Callable[[_Command, str, Path], None]] = {
    "--request": lambda command, value, _: setattr(command, "method", value),
    "--url": lambda command, value, _: setattr(command, "url", value),
    "--header": _header,
    "--data": _data,
    "--data-binary": _binary,
    "--data-urlencode": _encoded,
    "--json": _json,
    "--form": _form,
    "--user": _user,
    "--cookie": _cookie,
    "--user-agent": lambda command, value, _: command.headers.append(("user-agent", value)),
    "--referer": lambda command, value, _: command.headers.append(("referer", value)),
    "--max-time": lambda command, value, _: command.more.update(timeout=f"{round(float(value) * 1000)}ms"),
    "--proxy": lambda command, value, _: command.http.update(proxy=value if "://" in value else f"http://{value}"),
    "--cacert": lambda command, value, _: command.http.update(ca_file=value),
}


def _host_of(command: _Command, url: str) -> dict[str, str]:
    """Return the Host header that a command asks for: one typed by hand is meant, unlike what a browser records."""
    said = next((value for name, value in reversed(command.headers) if name.lower() == "host"), "")
    return {"host": said} if said and said.lower() != urlsplit(url).netloc.rpartition("@")[2].lower() else {}


def _sent(command: _Command) -> Sent:
    url, body = command.url or "", "&".join(command.data) if command.data else None
    headers = _host_of(command, url) | kept_headers(command.headers)
    form = None
    more = dict(command.more)
    if command.as_query and body is not None:
        url, body = f"{url}{'&' if '?' in url else '?'}{body}", None
    elif command.parts:
        more["multipart"] = command.parts
        headers.pop("content-type", None)
    elif body is not None:
        kind = headers.setdefault("content-type", "application/x-www-form-urlencoded")
        form = form_of(body, kind)
    if "authorization" in headers and headers["authorization"].lower().startswith("basic "):
        user, _, password = b64decode(headers.pop("authorization")[6:]).decode().partition(":")
        more["auth"] = {"basic": [user, password]}
    has_body = body is not None or bool(command.parts)
    method = command.method or ("HEAD" if command.head else "POST" if has_body else "GET")
    return Sent(method, url, headers, None if form is not None else body, form, None, more)
