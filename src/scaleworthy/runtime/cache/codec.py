"""How values become bytes for the layers below memory."""

from __future__ import annotations

from typing import Any, Protocol

from scaleworthy.errors import MissingExtra


class Codec(Protocol):
    """Raises TypeError or ValueError for what it cannot put into bytes, or get out of them."""

    def encode(self, value: Any) -> bytes:
        """Return *value* as bytes."""

    def decode(self, body: bytes) -> Any:
        """Return what `encode` was given."""


class JsonCodec:
    """JSON by orjson: what has no JSON form (sets, decimals) is refused, not changed.

    Raises:
        MissingExtra: orjson is not installed.
    """

    def __init__(self) -> None:
        try:
            import orjson
        except ImportError as error:
            raise MissingExtra("runtime", needed_for="keeping values as JSON") from error
        self.encode = orjson.dumps
        self.decode = orjson.loads


class BytesCodec:
    """For values that are bytes already, such as rendered answers."""

    def encode(self, value: Any) -> bytes:
        """Return *value*.

        Raises:
            TypeError: It is something else, or empty bytes, which stand for nothing.
        """
        if not isinstance(value, bytes) or not value:
            raise TypeError(f"bytes are wanted, at least one; got {value!r}")
        return value

    def decode(self, body: bytes) -> bytes:
        """Return *body*."""
        return body
