"""What goes through the pipes between the coordinator and a worker process.

A frame is its length (4 bytes, little-endian), a byte that says what it is, and that: a *message*, which is JSON, or a *second*:
Unix second (8 bytes, signed), whether it is the worker's last (1 byte), requests in flight (8 bytes), and a block of slices
(crates/measure/src/block.rs). A series is named once, in the message `{"series": [[name, labels, unit, kind], …]}`; the slices of
later blocks name it by its number, counted from 0 over all such messages.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaleworthy._native import pack_block, unpack_block

if TYPE_CHECKING:
    from scaleworthy.load.engine import Labels, RawSlice, Value

MESSAGE = 0
SECOND = 1
_HEAD = struct.Struct("<IB")
_SECOND = struct.Struct("<qBQ")
_READ_BYTES = 1 << 20

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerSecond:
    """One second of one worker."""

    second: int
    last: bool
    in_flight: int
    slices: Sequence[RawSlice]


def message_frame(message: Message) -> bytes:
    """Return the frame of *message*."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return _HEAD.pack(len(body), MESSAGE) + body


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data* to a blocking *fd*.

    Raises:
        OSError: The other side is gone.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


class Frames:
    """Cuts what comes through a pipe into frames."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray()
        self.ended = False

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Read what is there, waiting for a first byte where the pipe blocks; give each complete frame as (kind, body)."""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        self.ended = not data
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            length, kind = _HEAD.unpack_from(self._buffer)
            if len(self._buffer) < _HEAD.size + length:
                return
            body = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            del self._buffer[: _HEAD.size + length]
            yield kind, body


class SecondWriter:
    """Puts a worker's seconds into frames; names each series once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, Labels], int] = {}

    def frames(self, second: WorkerSecond) -> bytes:
        """Return the frames of *second*: the series that are new, then the second itself."""
        new: list[Any] = []
        numbers: list[int] = []
        values: list[Value] = []
        for name, labels, unit, kind, value in second.slices:
            at = (name, labels)
            number = self._numbers.get(at)
            if number is None:
                number = self._numbers[at] = len(self._numbers)
                new.append([name, labels, unit, kind])
            numbers.append(number)
            values.append(value)
        body = _SECOND.pack(second.second, second.last, second.in_flight) + pack_block(series=numbers, values=values)
        named = message_frame({"series": new}) if new else b""
        return named + _HEAD.pack(len(body), SECOND) + body


class SecondReader:
    """Reads what a `SecondWriter` wrote."""

    def __init__(self) -> None:
        self._series: list[tuple[str, Labels, str, Any]] = []

    def name(self, series: Sequence[Any]) -> None:
        """Learn the series that come next."""
        for name, labels, unit, kind in series:
            self._series.append((name, tuple((key, value) for key, value in labels), unit, kind))

    def second(self, body: bytes) -> WorkerSecond:
        """Return the second in a frame's *body*."""
        second, last, in_flight = _SECOND.unpack_from(body)
        slices: list[RawSlice] = [
            (*self._series[number], value) for number, value in unpack_block(body[_SECOND.size :])
        ]
        return WorkerSecond(second, bool(last), in_flight, slices)
