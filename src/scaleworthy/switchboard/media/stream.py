"""One media stream, without a socket: frames in, frames out, and an end with a code and a reason.

Question: what does a stream do with each message, when does it end, and what is told of it then?
Not here: the socket (routes/media.py, protocol.py), tenants, calls and rows (streams.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from scaleworthy.switchboard.media import phrases
from scaleworthy.switchboard.media.framing import (
    FRAME_BYTES,
    RTP_BYTES,
    BadFrame,
    Framing,
    read_json,
    read_media,
    read_rtp,
    write_media,
    write_rtp,
)
from scaleworthy.switchboard.media.pace import FRAME_NS, Pace

Reply: TypeAlias = Literal["echo", "script"]

STOPPED, GOES_AWAY, TOO_LARGE = 1000, 1001, 1009
NO_CLOSE = 1006
BAD_FRAME, NO_TENANT, NO_CALL, SILENT, CALL_OVER, TIME_UP, TOO_SLOW, FLOOD, FULL = (
    4400, 4401, 4404, 4408, 4409, 4411, 4420, 4429, 4503,
)  # fmt: skip
AHEAD_MAX = 150
SILENT_NS = 10 * 10**9
LONGEST_NS = 4 * 3600 * 10**9
RECORDED_BYTES_MAX = 10 * 60 * 8000
MESSAGE_BYTES_MAX = 64 * 1024
UNSENT_BYTES_MAX = 64 * 1024
# A clock that jumped, or a process that stood still, is caught up with by at most so many frames.
_CATCH_UP = 5


def greeting(set_up_ms: float) -> str:
    """Return the first message of a stream: from now on frames are taken."""
    return f'{{"event":"connected","set_up_ms":{set_up_ms:.3f},"frame_bytes":{FRAME_BYTES},"frame_ms":{FRAME_NS // 10**6}}}'


class Wire(Protocol):
    """The socket, as far as a stream needs it."""

    def send(self, message: bytes | str) -> None:
        """Send a message, now or soon."""

    def end(self) -> None:
        """Hear that the stream has ended: save it, and close the socket with its code."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stream went. Times in milliseconds, as people read them."""

    reply: str
    set_up_ms: float
    frames_received: int
    frames_sent: int
    frames_lost: int
    frames_late: int
    jitter_ms: float
    close_code: int
    close_reason: str


@dataclass(slots=True, eq=False)
class Stream:
    """A stream from its opening at *opened_ns* on. Every method takes the time as an argument.

    Attributes:
        lines: What the script said, as (milliseconds since the opening, text).
        recorded: What the caller said, where it is to be kept.
    """

    wire: Wire
    reply: Reply
    opened_ns: int
    set_up_ns: int
    record: bool = False
    pace: Pace = field(default_factory=Pace)
    framing: Framing = "raw"
    sent: int = 0
    ended: tuple[int, str] | None = None
    stopped: bool = False
    heard_ns: int = 0
    recorded: bytearray = field(default_factory=bytearray)
    lines: list[tuple[int, str]] = field(default_factory=list)
    _speaks: tuple[bytes, ...] = ()
    _speaks_since_ns: int = 0
    _spoken: int = 0
    _voice: bool = False
    _quiet: int = 0

    def __post_init__(self) -> None:
        self.heard_ns = self.opened_ns
        if self.reply == "script":
            self._say_next(self.opened_ns)

    def raw(self, sound: bytes, at_ns: int) -> bool:
        """Take a raw frame of 160 bytes; return whether it is to go straight back (the quick way of a socket that can)."""
        self.heard_ns = at_ns
        pace = self.pace
        pace.came(at_ns)
        if pace.received - 1 - (at_ns - pace.first_ns) // FRAME_NS > AHEAD_MAX:
            self._flooded()
            return False
        if self.reply == "echo" and not self.record:
            self.sent += 1
            return True
        self._listen(sound, at_ns)
        return False

    def binary(self, data: bytes, at_ns: int) -> None:
        """Take a binary message."""
        if self.ended is not None:
            return
        if len(data) == FRAME_BYTES:
            self.framing = "raw"
            if self.raw(data, at_ns):
                self.wire.send(data)
        elif len(data) == RTP_BYTES:
            self.framing = "rtp"
            try:
                number, sound = read_rtp(data)
            except BadFrame as error:
                self.end(BAD_FRAME, str(error))
                return
            self._numbered(number, sound, at_ns)
        else:
            self.end(
                BAD_FRAME, f"a binary frame has {FRAME_BYTES} bytes, or {RTP_BYTES} with an RTP header; got {len(data)}"
            )

    def text(self, text: str, at_ns: int) -> None:
        """Take a text message: a media event, or one that says what is to be done."""
        if self.ended is not None:
            return
        try:
            event = read_json(text)
            match event["event"]:
                case "media":
                    number, sound = read_media(event)
                    self.framing = "json"
                    self._numbered(number, sound, at_ns)
                case "start":
                    self._start(event.get("start"), at_ns)
                case "stop":
                    self.stopped = True
                    self.end(STOPPED, "stopped")
                case "connected" | "mark" | "dtmf":
                    self.heard_ns = at_ns
                case other:
                    raise BadFrame(
                        f"there is no event {other[:40]!r}; there are connected, start, media, mark, dtmf, stop"
                    )
        except BadFrame as error:
            self.end(BAD_FRAME, str(error))

    def tick(self, at_ns: int) -> None:
        """Say what is due by now."""
        if self.ended is not None or not self._speaks:
            return
        due = (at_ns - self._speaks_since_ns) // FRAME_NS + 1
        if due - self._spoken > _CATCH_UP:
            self._speaks_since_ns += (due - self._spoken - 1) * FRAME_NS
            due = self._spoken + 1
        for sound in self._speaks[self._spoken : due]:
            self._send(sound)
        self._spoken = due
        if due >= len(self._speaks):
            self._speaks, self._voice, self._quiet = (), False, 0

    def look(self, at_ns: int) -> None:
        """End it if the caller has sent nothing for too long, or if it has lasted too long."""
        if self.ended is not None:
            return
        if at_ns - self.heard_ns > SILENT_NS:
            self.end(SILENT, f"no frame for {SILENT_NS / 1e9:g} s")
        elif at_ns - self.opened_ns > LONGEST_NS:
            self.end(TIME_UP, f"a stream lasts at most {LONGEST_NS / 3.6e12:g} h")

    def end(self, code: int, reason: str) -> None:
        """End it, once."""
        if self.ended is None:
            self.ended = code, reason
            self.wire.end()

    def outcome(self) -> Outcome:
        """Return how it went."""
        code, reason = self.ended or (NO_CLOSE, "the connection was lost")
        return Outcome(
            reply=self.reply,
            set_up_ms=round(self.set_up_ns / 1e6, 3),
            frames_received=self.pace.received,
            frames_sent=self.sent,
            frames_lost=self.pace.lost,
            frames_late=self.pace.late,
            jitter_ms=round(self.pace.jitter_ns / 1e6, 3),
            close_code=code,
            close_reason=reason,
        )

    def _numbered(self, number: int | None, sound: bytes, at_ns: int) -> None:
        self.heard_ns = at_ns
        self.pace.came(at_ns, number)
        if self.pace.ahead(at_ns) > AHEAD_MAX:
            self._flooded()
            return
        self._listen(sound, at_ns)

    def _listen(self, sound: bytes, at_ns: int) -> None:
        if self.record and len(self.recorded) < RECORDED_BYTES_MAX:
            self.recorded += sound
        if self.reply == "echo":
            self._send(sound)
            return
        if phrases.is_voice(sound):
            self._voice, self._quiet = True, 0
        elif self._voice:
            self._quiet += 1
            if self._quiet == phrases.TURN_FRAMES and not self._speaks:
                self._say_next(at_ns)

    def _say_next(self, at_ns: int) -> None:
        number = min(len(self.lines), len(phrases.PHRASES) - 1)
        self._speaks, self._speaks_since_ns, self._spoken = phrases.frames_of(number), at_ns, 0
        self.lines.append(((at_ns - self.opened_ns) // 10**6, phrases.PHRASES[number]))
        self._voice = False

    def _send(self, sound: bytes) -> None:
        match self.framing:
            case "raw":
                self.wire.send(sound)
            case "rtp":
                self.wire.send(write_rtp(self.sent, sound))
            case "json":
                self.wire.send(write_media(self.sent, sound))
        self.sent += 1

    def _start(self, start: Any, at_ns: int) -> None:
        """Take what the first message asks for; fields of a provider's own are let through."""
        self.heard_ns = at_ns
        if not isinstance(start, dict):
            return
        media = start.get("mediaFormat")
        if isinstance(media, dict) and (media.get("encoding", "audio/x-mulaw"), media.get("sampleRate", 8000)) != (
            "audio/x-mulaw",
            8000,
        ):
            raise BadFrame("sound is audio/x-mulaw at a sampleRate of 8000")
        self.record = self.record or start.get("record") is True
        if start.get("reply") == "script" and self.reply != "script":
            self.reply = "script"
            self._say_next(at_ns)

    def _flooded(self) -> None:
        self.end(FLOOD, f"more than {AHEAD_MAX} frames ahead of one every 20 ms")
