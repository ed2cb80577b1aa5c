"""How a frame of sound is written on the socket: three ways, and a stream speaks back as it was spoken to.

raw       a binary message of 160 bytes: 20 ms of μ-law at 8 kHz, nothing else
RTP       a binary message of 172 bytes: an RTP header of 12 (payload type 0) before them; numbered, so loss is exact
JSON      a text message {"event": "media", "sequenceNumber": "4", "media": {"payload": base64}}, as telephony providers send them

Source: RFC 3550, 5.1; RFC 3551, 4.5.14 (PCMU).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

import orjson

Framing = Literal["raw", "rtp", "json"]
FRAME_BYTES = 160
RTP_BYTES = 12 + FRAME_BYTES
SILENCE = 0xFF
"""μ-law of no sound."""


class BadFrame(ValueError):
    """What is wrong with a message, for its sender."""


def read_rtp(data: bytes) -> tuple[int, bytes]:
    """Return sequence number and sound of an RTP packet of `RTP_BYTES`.

    Raises:
        BadFrame: It has another version, type or header.
    """
    if data[0] != 0x80 or data[1] & 0x7F:
        raise BadFrame("an RTP packet of version 2, payload type 0, without padding or extension is expected")
    return int.from_bytes(data[2:4]), data[12:]


def write_rtp(number: int, sound: bytes) -> bytes:
    """Return an RTP packet; its time is that of its number."""
    return (
        b"\x80\x00" + (number & 0xFFFF).to_bytes(2) + (number * FRAME_BYTES & 0xFFFFFFFF).to_bytes(4) + b"SWBD" + sound
    )


def read_json(text: str) -> dict[str, Any]:
    """Return an event.

    Raises:
        BadFrame: It is none.
    """
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadFrame("a text message is a JSON event") from error
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise BadFrame("a text message is a JSON object with an `event`")
    return event


def read_media(event: dict[str, Any]) -> tuple[int | None, bytes]:
    """Return number and sound of a media event.

    Raises:
        BadFrame: It has no 160 bytes of base64, or a number that is none.
    """
    media = event.get("media")
    payload = media.get("payload") if isinstance(media, dict) else None
    number = event.get("sequenceNumber")
    try:
        sound = base64.b64decode(payload or "", validate=True)
        wanted = None if number is None else int(number) & 0xFFFF
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadFrame("a media event has `media.payload` in base64 and a whole `sequenceNumber`, or none") from error
    if len(sound) != FRAME_BYTES:
        raise BadFrame(f"a frame has {FRAME_BYTES} bytes, 20 ms of μ-law at 8 kHz; got {len(sound)}")
    return wanted, sound


def write_media(number: int, sound: bytes) -> str:
    """Return a media event."""
    payload = base64.b64encode(sound).decode()
    return f'{{"event":"media","sequenceNumber":"{number}","media":{{"payload":"{payload}"}}}}'
