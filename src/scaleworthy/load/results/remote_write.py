"""Prometheus remote write 1.0: a WriteRequest in protobuf, compressed with Snappy.

The message is three levels of length-delimited fields; it is written here because no package that is kept carries it.
Source: Prometheus, "Remote-Write 1.0 specification"; protobuf, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from scaleworthy.errors import MissingExtra
from scaleworthy.series.prometheus import Labels

HEADERS = {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
}


def write_request(at_ms: int, samples: Iterable[tuple[str, Labels, float]]) -> bytes:
    """Return the compressed WriteRequest that gives each sample the time *at_ms* (Unix, milliseconds).

    Raises:
        MissingExtra: cramjam, which has Snappy, is not installed.
    """
    try:
        from cramjam import snappy
    except ModuleNotFoundError as error:
        raise MissingExtra("export", needed_for="Prometheus remote write") from error
    message = b"".join(_field(1, _time_series(at_ms, *sample)) for sample in samples)
    return bytes(snappy.compress_raw(message))


def _time_series(at_ms: int, name: str, labels: Labels, value: float) -> bytes:
    # Labels must be in order of their names; `__name__` goes first.
    pairs = sorted([("__name__", name), *labels])
    written = b"".join(_field(1, _field(1, label.encode()) + _field(2, text.encode())) for label, text in pairs)
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at_ms)
    return written + _field(2, sample)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
