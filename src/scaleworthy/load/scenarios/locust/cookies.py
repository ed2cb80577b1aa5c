"""`client.cookies`: the user's jar, with the methods that files call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scaleworthy.load.scenarios.cookies import Cookie, Cookies


class CookieJar:
    """Reads and writes a user's cookies by name."""

    def __init__(self, kept: Cookies) -> None:
        self._kept = kept

    def get(self, name: str, default: str | None = None, **_: Any) -> str | None:
        """Return a cookie's value."""
        return self._kept.get(name, default)

    def set(self, name: str, value: str, path: str = "/", **_: Any) -> None:
        """Keep a cookie that no answer has set."""
        self._kept.set(name, value, path=path)

    def update(self, cookies: Mapping[str, str]) -> None:
        """Keep several."""
        for name, value in cookies.items():
            self.set(name, value)

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()

    def get_dict(self) -> dict[str, str]:
        """Return names and values."""
        return {cookie.name: cookie.value for cookie in self._kept}

    def items(self) -> list[tuple[str, str]]:
        """Return names and values in pairs."""
        return list(self.get_dict().items())

    def __getitem__(self, name: str) -> str:
        value = self._kept.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __contains__(self, name: str) -> bool:
        return self._kept.get(name) is not None

    def __iter__(self) -> Iterator[Cookie]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)
