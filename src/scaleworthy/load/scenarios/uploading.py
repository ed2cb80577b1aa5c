"""Bodies that are sent in pieces while they are made or read: `await user.post(path, body=…)` with an iterator, a file or a Path.

The engine asks for a piece when the one before it has left, so that some 64 KiB of a body are in memory, whatever its size.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scaleworthy._native import PreparedRequest, Response, ScriptChannel

if TYPE_CHECKING:
    from scaleworthy.load.scenarios.asking import Options
    from scaleworthy.load.scenarios.user import User

PIECE_BYTES = 64 * 1024
_AT_REST = (str, bytes, bytearray, memoryview, Mapping)
_pumps: set[asyncio.Task[None]] = set()
"""What is being sent: a task that nothing else holds might be forgotten."""


class Upload:
    """One body in pieces.

    Attributes:
        length: Its bytes, where a file says how many are left; else it is sent in chunks.
        content_type: What its name says, where it has one.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self.length: int | None = None
        self.content_type = "application/octet-stream"
        if isinstance(source, Path):
            self.length = source.stat().st_size
            self.content_type = mimetypes.guess_type(source.name)[0] or self.content_type
        elif hasattr(source, "read"):
            self.length = _left_in(source)

    def send(self, user: User, request: PreparedRequest) -> Response:
        """Send *request* with this body; its pieces follow as they are taken."""
        channel = user.open(request)
        pump = asyncio.get_running_loop().create_task(self._pump(channel))
        _pumps.add(pump)
        pump.add_done_callback(_pumps.discard)
        # Answered, failed or cancelled: whatever makes the pieces need not go on.
        channel.response.add_done_callback(lambda _: pump.cancel())
        return channel.response

    async def _pump(self, channel: ScriptChannel) -> None:
        try:
            sent = 0
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    if not await channel.room():
                        return
                    channel.put(piece, last=False)
                    sent += len(piece)
            if self.length is not None and sent != self.length:
                raise ValueError(f"the file had {self.length:,} bytes and gave {sent:,}")
            if await channel.room():
                channel.put(b"", last=True)
        except Exception as error:  # noqa: BLE001 - raised where the answer is awaited
            channel.fail(error)

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        source = self._source
        if isinstance(source, AsyncIterable):
            async for piece in source:
                for part in _parts(piece):
                    yield part
            return
        if isinstance(source, Path):
            with source.open("rb") as file:
                for piece in _read(file, self.length):
                    yield piece
            return
        with closing(_read(source, self.length) if hasattr(source, "read") else _given(source)) as pieces:
            for piece in pieces:
                yield piece


def upload_of(options: Options) -> Upload | None:
    """Return the body that *options* give in pieces; None where they give another or none.

    Raises:
        TypeError: More than one body.
        OSError: A Path that is no file.
    """
    source = options.get("body")
    if source is None or isinstance(source, _AT_REST):
        return None
    if not (isinstance(source, Path | AsyncIterable | Iterable) or hasattr(source, "read")):
        return None
    others = [name for name in ("json", "form", "multipart") if name in options]
    if others:
        raise TypeError(f"a request has one body, got {' and '.join([*others, 'body'])}")
    return Upload(source)


def _left_in(file: IO[bytes]) -> int | None:
    """Return how many bytes are left in a file; None where it is none that tells."""
    try:
        status = os.fstat(file.fileno())
        return max(status.st_size - file.tell(), 0) if stat.S_ISREG(status.st_mode) else None
    except (AttributeError, OSError):
        return None


def _read(file: IO[bytes], most: int | None) -> Generator[bytes, None, None]:
    """Give a file in pieces, up to the length that was announced."""
    left = most
    while piece := file.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left)):
        yield from _parts(piece)
        if left is not None:
            left -= len(piece)


def _given(pieces: Iterable[Any]) -> Generator[bytes, None, None]:
    for piece in pieces:
        yield from _parts(piece)


def _parts(piece: Any) -> Iterator[bytes]:
    """Give a piece in parts that are small enough.

    Raises:
        TypeError: It is not made of bytes.
    """
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise TypeError(f"a body in pieces is made of bytes, got {type(piece).__name__}")
    view = memoryview(piece).cast("B")
    for start in range(0, len(view), PIECE_BYTES):
        yield bytes(view[start : start + PIECE_BYTES])
