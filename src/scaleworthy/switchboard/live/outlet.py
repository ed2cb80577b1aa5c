"""A way to one client: frames to the connection where the server lets us, else messages through a short queue of its own."""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketState

from scaleworthy.switchboard.live.frames import EXTENSION, FrameProtocol, hold_back

UNSENT_BYTES_MOST = 256 * 1024
_UNSENT_MOST = 256
_KERNEL_BYTES = 128 * 1024
SLOW = (1008, "too slow: what was sent is not read")


class Outlet(Protocol):
    """Takes what is for one client, never waits for it, and drops it with a reason when it does not read."""

    def send(self, text: bytes, frame: bytes) -> bool:
        """Send a text, of which *frame* is the form on the wire; return whether the client is still there."""

    def drop(self, code: int, reason: str) -> None:
        """End with *code* and *reason*."""

    async def close(self) -> None:
        """Free what it holds, once the client is gone."""


def outlet_of(websocket: WebSocket) -> Outlet:
    """Return the best way to *websocket*, which is accepted."""
    protocol = websocket.scope.get("extensions", {}).get(EXTENSION)
    return Direct(protocol) if isinstance(protocol, FrameProtocol) else Queued(websocket)


class Direct:
    """Frames to the connection: no task, no queue; the connection's own buffer is the bound."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: FrameProtocol) -> None:
        self._protocol = protocol
        hold_back(protocol.transport, _KERNEL_BYTES)

    def send(self, text: bytes, frame: bytes) -> bool:  # noqa: ARG002 - the other outlet's part
        """Write, unless the client is gone or too far behind."""
        protocol = self._protocol
        if not protocol.is_open:
            return False
        if protocol.unsent_bytes + len(frame) > UNSENT_BYTES_MOST:
            protocol.drop(*SLOW)
            return False
        protocol.write_frame(frame)
        return True

    def drop(self, code: int, reason: str) -> None:
        """Close with *code* and *reason*."""
        if self._protocol.is_open:
            self._protocol.drop(code, reason)

    async def close(self) -> None:
        """Nothing is held."""


class Queued:
    """Messages by any ASGI server, through a queue and a task of their own."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._texts: asyncio.Queue[str] = asyncio.Queue(_UNSENT_MOST)
        self._end: tuple[int, str] | None = None
        self._task = asyncio.create_task(self._run())

    def send(self, text: bytes, frame: bytes) -> bool:  # noqa: ARG002 - the other outlet's part
        """Put into the queue, unless it is full."""
        if self._task.done() or self._end:
            return False
        try:
            self._texts.put_nowait(text.decode())
        except asyncio.QueueFull:
            self.drop(*SLOW)
            return False
        return True

    def drop(self, code: int, reason: str) -> None:
        """Close with *code* and *reason* instead of what is in the queue."""
        if self._end is None:
            self._end = (code, reason)
            self._task.cancel()
            self._task = asyncio.create_task(self._say_end(code, reason))

    async def close(self) -> None:
        """End the task."""
        if self._end is None:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._websocket.send_text(await self._texts.get())

    async def _say_end(self, code: int, reason: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            async with asyncio.timeout(_CLOSE_S):
                await self._websocket.close(code, reason)


_CLOSE_S = 5.0
