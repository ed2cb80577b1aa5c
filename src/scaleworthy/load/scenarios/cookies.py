"""A user's cookies: kept from answers, sent back to the origin that set them. A cookie's domain is not looked at.

Source: RFC 6265, 5.1.4 (paths), 5.2 (attributes), 5.4 (order).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie; `expires_s` is Unix time, None for the length of the session; `origin` the number of whose it is."""

    name: str
    value: str
    path: str = "/"
    expires_s: float | None = None
    origin: int = 0


class Cookies:
    """A jar; iterate over it for the cookies in it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._kept: dict[tuple[int, str, str], Cookie] = {}
        self._clock = clock

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Cookie]:
        return iter(list(self._kept.values()))

    def __getitem__(self, name: str) -> str:
        return next(cookie.value for cookie in self._kept.values() if cookie.name == name)

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return a cookie's value."""
        return next((cookie.value for cookie in self._kept.values() if cookie.name == name), default)

    def set(self, name: str, value: str, *, path: str = "/") -> None:
        """Keep a cookie for the target that no answer has set."""
        self._kept[0, name, path] = Cookie(name, value, path)

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()

    def keep(self, line: str, *, request_path: str, origin: int = 0) -> None:
        """Take what a set-cookie header says; one that has expired is forgotten."""
        pair, *attributes = line.split(";")
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            return
        named = {
            key.strip().lower(): text.strip() for key, _, text in (attribute.partition("=") for attribute in attributes)
        }
        path = named.get("path", "")
        if not path.startswith("/"):
            path = request_path.partition("?")[0].rpartition("/")[0] or "/"
        expires_s = self._expires(named)
        key = (origin, name.strip(), path)
        if expires_s is not None and expires_s <= self._clock():
            self._kept.pop(key, None)
        else:
            self._kept[key] = Cookie(key[1], value.strip().strip('"'), path, expires_s, origin)

    def header(self, path: str, *, origin: int = 0) -> str | None:
        """Return the cookie header of a request to *path* of *origin*, longest paths first; None without any."""
        if not self._kept:
            return None
        route, now_s = path.partition("?")[0], self._clock()
        fitting = [
            cookie
            for cookie in self._kept.values()
            if cookie.origin == origin
            and _matches(route, cookie.path)
            and (cookie.expires_s is None or cookie.expires_s > now_s)
        ]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting) or None

    def _expires(self, named: dict[str, str]) -> float | None:
        if "max-age" in named:
            try:
                return self._clock() + int(named["max-age"])
            except ValueError:
                pass
        if "expires" in named:
            try:
                return parsedate_to_datetime(named["expires"]).timestamp()
            except (ValueError, TypeError):
                return None
        return None


def _matches(route: str, path: str) -> bool:
    return route == path or (route.startswith(path) and (path.endswith("/") or route[len(path)] == "/"))
