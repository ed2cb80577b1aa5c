"""WebSocket frames written straight to the connection: one event is encoded once, however many sockets it goes to.

uvicorn's way to a socket is a coroutine, a message, a state machine and a frame for each of them. Ours writes bytes that are ready, and
leaves everything else (handshake, pings, what clients send, closing) to uvicorn's protocol. Nothing here compresses: a frame is the same
for all.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

_EXTENSION = "scaleworthy.frames"
# The largest message taken from a client.
FRAME_BYTES_MOST = 64 * 1024
_TEXT = 0x81
_TWO_BYTES, _EIGHT_BYTES = 126, 127


def text_frame(text: bytes) -> bytes:
    """Return *text* as an unmasked frame of its own (RFC 6455, 5.2)."""
    size = len(text)
    if size < _TWO_BYTES:
        return bytes((_TEXT, size)) + text
    if size < 1 << 16:
        return struct.pack("!BBH", _TEXT, _TWO_BYTES, size) + text
    return struct.pack("!BBQ", _TEXT, _EIGHT_BYTES, size) + text


def hold_back(transport: Any, most_bytes: int) -> None:
    """Let the kernel hold about *most_bytes* that the client has not read, and not megabytes."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, most_bytes // 2)


class FrameProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which an application may also write frames to; the scope's extension `scaleworthy.frames` is this object."""

    def handle_connect(self, event: Request) -> None:
        """Begin, with this connection in the scope."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            # The application's task was made, and has not run yet.
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[_EXTENSION] = self

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken yet, beyond what the kernel holds."""
        return self.transport.get_write_buffer_size()

    @property
    def is_open(self) -> bool:
        """Whether frames may be written."""
        return self.handshake_complete and not (self.close_sent or self.disconnected or self.transport.is_closing())

    def write_frame(self, frame: bytes) -> None:
        """Send *frame* behind what was sent before."""
        self.transport.write(frame)

    def drop(self, code: int, reason: str) -> None:
        """Say why it ends, and end: a client that reads finds the reason, one that does not is cut off after the closing time."""
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)


def connection_of(websocket: WebSocket) -> FrameProtocol:
    """Return the connection of a socket; worker.py sees to it that every WebSocket has one."""
    protocol: FrameProtocol = websocket.scope["extensions"][_EXTENSION]
    return protocol
