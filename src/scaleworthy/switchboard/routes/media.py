"""The media stream of a call as an ASGI WebSocket: what day-one serves.

Tuned's processes take the socket themselves (media/protocol.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, cast

import orjson
from fastapi import APIRouter, Path, Query, WebSocket, WebSocketDisconnect

from scaleworthy.switchboard.live.frames import connection_of, hold_back
from scaleworthy.switchboard.media import stream as media
from scaleworthy.switchboard.media.stream import Reply, Stream
from scaleworthy.switchboard.media.streams import Refused, told
from scaleworthy.switchboard.request import Service
from scaleworthy.switchboard.tenancy import HEADER

router = APIRouter(tags=["calls"])

# Eight seconds of frames.
_UNSENT_MAX = 400
_CLOSE_S = 1.0


class _Queue:
    """What is to be sent, until a task of its own has sent it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._messages: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.overflowed = self.left = False

    def send(self, message: bytes | str) -> None:
        """Send soon."""
        if self._messages.qsize() >= _UNSENT_MAX:
            self.overflowed = True
            self.ended.set()
        elif not self.ended.is_set():
            self._messages.put_nowait(message)

    def end(self) -> None:
        """Remember the end; the receiving side closes the socket when the stream is saved."""
        self.ended.set()

    async def run(self) -> None:
        """Send what comes."""
        with suppress(RuntimeError, OSError, WebSocketDisconnect):  # gone: the receiving side hears of it too
            while True:
                message = await self._messages.get()
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_text(message)


@router.websocket("/calls/{call_id}/media")
async def media_stream(
    websocket: WebSocket,
    call_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    reply: Annotated[Reply, Query()] = "echo",
    record: Annotated[bool, Query()] = False,
) -> None:
    """Take the sound of a call frame by frame and answer it."""
    service = cast("Service", websocket.app.state.service)
    streams = service.media
    began_ns = streams.clock_ns()
    await websocket.accept()
    connection = connection_of(websocket)
    hold_back(connection.transport, media.UNSENT_BYTES_MAX)
    try:
        tenant = await streams.admit(service, websocket.headers.get(HEADER), call_id)
    except Refused as refused:
        await websocket.close(refused.code, refused.reason)
        return
    wire = _Queue(websocket)
    now_ns = streams.clock_ns()
    wire.send(media.greeting((now_ns - began_ns) / 1e6))
    stream = Stream(wire, reply, now_ns, now_ns - began_ns, record)
    streams.opened(stream, call_id)
    sender = asyncio.create_task(wire.run())
    try:
        await _receive(websocket, stream, wire)
    finally:
        if wire.overflowed:
            stream.ended = (media.TOO_SLOW, "the client reads too slowly")
        streams.closed(stream)
        sender.cancel()
        saved = await streams.save(service, tenant, call_id, stream)
    if wire.left:
        return
    code, reason = stream.ended or (media.GOES_AWAY, "")
    if wire.overflowed:
        # Whoever does not read does not take a close either: it is given its time, and cut off.
        if connection.is_open:
            connection.drop(code, reason)
        return
    with suppress(RuntimeError, OSError, TimeoutError, WebSocketDisconnect):  # gone meanwhile
        async with asyncio.timeout(_CLOSE_S):
            if stream.stopped:
                await websocket.send_text(orjson.dumps(told(stream.outcome(), saved)).decode())
            await websocket.close(code, reason)


async def _receive(websocket: WebSocket, stream: Stream, wire: _Queue) -> None:
    """Give the stream every message until either side ends it."""
    clock_ns = websocket.app.state.service.media.clock_ns
    over = asyncio.create_task(wire.ended.wait())
    try:
        while not wire.ended.is_set():
            message = asyncio.create_task(websocket.receive())
            await asyncio.wait({message, over}, return_when=asyncio.FIRST_COMPLETED)
            if not message.done():
                message.cancel()
                return
            event = message.result()
            if event["type"] == "websocket.disconnect":
                code = int(event.get("code") or media.NO_CLOSE)
                stream.ended = (code, event.get("reason") or "closed by the client")
                wire.left = True
                return
            if event.get("bytes") is not None:
                stream.binary(event["bytes"], clock_ns())
            else:
                stream.text(event.get("text") or "", clock_ns())
    finally:
        over.cancel()
