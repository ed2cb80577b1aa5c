"""Media streams without a framework between socket and stream: what tuned's processes hand uvicorn as its WebSocket protocol.

A frame of sound comes as 168 bytes, always the same four of them first. Such a one is unmasked, measured and sent back within the
callback that the event loop makes for it: no task, no queue, no event object. Everything else (handshake, pings, text, parts of
frames, what breaks the rules) is read by websockets' own protocol, as uvicorn's is. A socket that is no media stream is uvicorn's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask

from scaleworthy.switchboard.live.frames import FrameProtocol, hold_back
from scaleworthy.switchboard.media import stream as media
from scaleworthy.switchboard.media.framing import FRAME_BYTES
from scaleworthy.switchboard.media.stream import Stream
from scaleworthy.switchboard.media.streams import Refused, told
from scaleworthy.switchboard.tenancy import HEADER, Tenant

if TYPE_CHECKING:
    from scaleworthy.switchboard.request import Service

_PATH = re.compile(rb"GET (?:/api)?/calls/([0-9]{1,18})/media(?:\?([^ ]*))? ")
# A whole binary message of 160 bytes: masked as a client sends it, bare as a server does.
_MASKED_HEAD = b"\x82\xfe\x00\xa0"
_BARE_HEAD = b"\x82\x7e\x00\xa0"
_MASKED_BYTES = 8 + FRAME_BYTES
_SLOWEST_CLOSE_S = 2.0


def media_protocol(service: Service) -> Callable[..., asyncio.Protocol]:
    """Return what uvicorn takes as `ws`."""
    return partial(_Sockets, service)


class _Sockets(asyncio.Protocol):
    """The first bytes of a socket decide whose it is; then it is that one's."""

    def __init__(self, service: Service, **given: Any) -> None:
        self._service = service
        self._given = given
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        path = _PATH.match(data)
        whose: Any
        if path is None:
            whose = FrameProtocol(**self._given)
        else:
            query = parse_qs((path[2] or b"").decode("latin-1"))
            whose = _MediaSocket(self._service, int(path[1]), query, self._given["server_state"])
        # uvicorn makes this object the transport's protocol when this call is over: whatever comes then goes on to whose it is.
        for name in ("data_received", "eof_received", "connection_lost", "pause_writing", "resume_writing"):
            setattr(self, name, getattr(whose, name))
        whose.connection_made(self._transport)
        whose.data_received(data)


class _MediaSocket(asyncio.Protocol):
    """One media stream's socket. A `Wire` of its stream."""

    def __init__(self, service: Service, call_id: int, query: dict[str, list[str]], server: Any) -> None:
        self._service = service
        self._streams = service.media
        self._clock_ns = service.media.clock_ns
        self._call_id = call_id
        self._query = query
        self._connections: set[Any] = server.connections
        self._tasks: set[asyncio.Task[None]] = server.tasks
        self._conn = ServerProtocol(max_size=media.MESSAGE_BYTES_MAX)
        self._stream: Stream | None = None
        self._tenant: Tenant | None = None
        self._began_ns = self._clock_ns()
        self._quick = False
        self._saving = False
        self._transport: Any = None
        self._early: list[Frame] = []
        self._early_bytes = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        hold_back(transport, media.UNSENT_BYTES_MAX)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        at = 0
        if self._quick:
            size = len(data)
            stream = self._stream
            assert stream is not None
            while size - at >= _MASKED_BYTES and data[at : at + 4] == _MASKED_HEAD and stream.ended is None:
                sound = apply_mask(data[at + 8 : at + _MASKED_BYTES], data[at + 4 : at + 8])
                at += _MASKED_BYTES
                if stream.raw(sound, self._clock_ns()):
                    self._transport.write(_BARE_HEAD + sound)
                    if self._transport.get_write_buffer_size() > media.UNSENT_BYTES_MAX:
                        self._too_slow()
            if at == size:
                return
        self._read(data[at:] if at else data)

    def eof_received(self) -> bool:
        self._conn.receive_eof()
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.discard(self)
        if self._stream is not None and self._stream.ended is None:
            self._stream.ended = (media.NO_CLOSE, "the connection was lost")
        self._over()

    def pause_writing(self) -> None:
        """The client does not read; what is unsent is bounded where it is written."""

    def resume_writing(self) -> None:
        """It reads again."""

    def shutdown(self) -> None:
        """End it: the server does."""
        if self._stream is not None:
            self._stream.end(1012, "the service restarts")
        else:
            self._close(1012, "the service restarts")

    def send(self, message: bytes | str) -> None:
        """Send a message."""
        if self._conn.state is not State.OPEN:
            return
        if isinstance(message, bytes):
            if len(message) == FRAME_BYTES:
                self._transport.write(_BARE_HEAD + message)
            else:
                self._conn.send_binary(message)
        else:
            self._conn.send_text(message.encode())
        self._flush()
        if self._transport.get_write_buffer_size() > media.UNSENT_BYTES_MAX:
            self._too_slow()

    def end(self) -> None:
        """Save how it went, and close the socket with it."""
        self._over()

    def _read(self, data: bytes) -> None:
        """Read what is no frame of sound by itself."""
        conn = self._conn
        conn.receive_data(data)
        for event in conn.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._flush()
        if conn.parser_exc is not None and self._stream is not None and self._stream.ended is None:
            # It broke the rules of WebSocket, and has been told so.
            sent = conn.close_sent
            self._stream.ended = (sent.code, sent.reason) if sent else (media.NO_CLOSE, "the protocol was broken")
            self._over()
        # The quick way is open while no message is half read.
        self._quick = (
            self._stream is not None
            and conn.state is State.OPEN
            and not conn.reader.buffer
            and self._part is None
            and self._stream.framing == "raw"
        )

    _part: bytearray | None = None
    _part_opcode = Opcode.BINARY

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            if self._stream is not None and self._stream.ended is None:
                code = self._conn.close_rcvd.code if self._conn.close_rcvd else media.NO_CLOSE
                self._stream.ended = (
                    code,
                    (self._conn.close_rcvd and self._conn.close_rcvd.reason) or "closed by the client",
                )
                self._over()
            return
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if self._stream is None:
            # Who speaks before it is heard is heard a little later; nobody needs to say much then.
            self._early_bytes += len(frame.data)
            if len(self._early) < media.AHEAD_MAX and self._early_bytes <= media.MESSAGE_BYTES_MAX:
                self._early.append(frame)
            else:
                self._close(media.FLOOD, "too much was said before the stream was open")
            return
        if frame.opcode is not Opcode.CONT:
            self._part, self._part_opcode = bytearray(), frame.opcode
        assert self._part is not None
        self._part += frame.data
        if not frame.fin:
            return
        body, self._part = bytes(self._part), None
        if self._part_opcode is Opcode.BINARY:
            self._stream.binary(body, self._clock_ns())
            return
        try:
            text = body.decode()
        except UnicodeDecodeError:
            self._stream.end(1007, "a text message is not UTF-8")
            return
        self._stream.text(text, self._clock_ns())

    def _handshake(self, request: Request) -> None:
        response = self._conn.accept(request)
        self._conn.send_response(response)
        self._flush()
        if response.status_code == 101:
            self._task(self._set_up(request.headers.get(HEADER)))
        else:
            self._transport.close()

    async def _set_up(self, key: str | None) -> None:
        streams = self._streams
        try:
            self._tenant = await streams.admit(self._service, key, self._call_id)
        except Refused as refused:
            self._close(refused.code, refused.reason)
            return
        if self._conn.state is not State.OPEN or self._transport.is_closing():
            return
        reply = self._query.get("reply", ["echo"])[-1]
        if reply not in ("echo", "script"):
            self._close(media.BAD_FRAME, "reply is echo or script")
            return
        record = self._query.get("record", [""])[-1].lower() in ("true", "1", "yes", "on")
        now_ns = self._clock_ns()
        self.send(media.greeting((now_ns - self._began_ns) / 1e6))
        stream = Stream(self, reply, now_ns, now_ns - self._began_ns, record)  # type: ignore[arg-type]  # checked above
        self._stream = stream
        streams.opened(stream, self._call_id)
        early, self._early = self._early, []
        for frame in early:
            self._frame(frame)
        self._quick = self._part is None and not self._conn.reader.buffer and stream.framing == "raw"

    def _over(self) -> None:
        """The stream is over: save it once, then say so if the client still listens."""
        self._quick = False
        if self._stream is not None and not self._saving:
            self._saving = True
            self._streams.closed(self._stream)
            self._task(self._save(self._stream))

    async def _save(self, stream: Stream) -> None:
        assert self._tenant is not None
        saved = await self._streams.save(self._service, self._tenant, self._call_id, stream)
        if stream.stopped:
            self.send(orjson.dumps(told(stream.outcome(), saved)).decode())
        code, reason = stream.ended or (media.GOES_AWAY, "")
        self._close(code, reason)

    def _close(self, code: int, reason: str) -> None:
        if self._conn.state is State.OPEN and not self._transport.is_closing():
            self._conn.send_close(code, reason)
            self._flush()
            asyncio.get_running_loop().call_later(_SLOWEST_CLOSE_S, self._give_up)

    def _give_up(self) -> None:
        """A client that does not answer our close has had its time."""
        if not self._transport.is_closing():
            self._transport.abort()

    def _too_slow(self) -> None:
        if self._stream is not None:
            self._stream.end(media.TOO_SLOW, "the client reads too slowly")

    def _flush(self) -> None:
        for data in self._conn.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()  # both sides have said that it ends

    def _task(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
