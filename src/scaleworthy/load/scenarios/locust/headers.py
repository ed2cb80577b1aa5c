"""Headers whose names are the same in any case, as `client.headers` and `response.headers` are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping


class Headers(MutableMapping[str, str]):
    """Names in any case → values; *changed* is called after each change."""

    def __init__(self, first: Mapping[str, str] | None = None, changed: Callable[[], None] | None = None) -> None:
        self._kept: dict[str, tuple[str, str]] = {name.lower(): (name, value) for name, value in (first or {}).items()}
        self._changed = changed

    def __getitem__(self, name: str) -> str:
        return self._kept[name.lower()][1]

    def __setitem__(self, name: str, value: str) -> None:
        self._kept[name.lower()] = (name, value)
        if self._changed is not None:
            self._changed()

    def __delitem__(self, name: str) -> None:
        del self._kept[name.lower()]
        if self._changed is not None:
            self._changed()

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return repr(dict(self))
