"""One service process: settings on standard input, a listening socket given by number, `ready` on standard output.

It ends at SIGTERM or SIGINT, and when standard input closes: then the process that started it is gone.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from scaleworthy.runtime.http import Draining
from scaleworthy.switchboard.app import create_app
from scaleworthy.switchboard.live.frames import FRAME_BYTES_MOST, FrameProtocol
from scaleworthy.switchboard.media.protocol import media_protocol
from scaleworthy.switchboard.request import Service
from scaleworthy.switchboard.settings import Settings

_GRACE_S = 5
# A client that asks all the time may stand still for so long on a busy machine; what it then sends must not meet a closed connection.
_QUIET_S, _QUIET_LOOKS = 0.25, 4
# Longer than a client waits between two requests: the side that closes first can cut a request that is on its way.
_KEEP_ALIVE_S = 75


class _Server(uvicorn.Server):
    """Says `ready` once the application has started and the socket is served; ends without losing what has come."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write("ready\n")
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state = getattr(self.config.app, "state", None)
        draining = getattr(state, "draining", None)
        if draining is not None:
            # Busy clients are asked to leave while they are still answered; then, while no new ones are let in, what they sent is read.
            draining.leave()
            await self._until_quiet(draining)
            for server in self.servers:
                server.close()
            await self._until_quiet(draining)
        await super().shutdown(sockets)

    async def _until_quiet(self, draining: Draining) -> None:
        """Wait until for a moment no request has come, or there is nobody to send one; not for long, since some send without end."""
        for _ in range(_QUIET_LOOKS):
            seen = draining.begun
            if not self.server_state.connections:
                return
            await asyncio.sleep(_QUIET_S)
            if draining.begun == seen:
                return


def main() -> None:
    """Serve until told to stop."""
    run(lambda line: create_app(Settings.from_json(line)), log_level="warning", sockets=sockets_of)


def sockets_of(app: Any) -> Any:
    """Return who reads WebSockets: as the shape has it."""
    service: Service = app.state.service
    return media_protocol(service) if service.shape.media == "own" else FrameProtocol


def config_of(app: ASGIApp, *, log_level: str, ws: Any) -> uvicorn.Config:
    """Return how an application is served; *ws* reads its WebSockets: a name of uvicorn's, or what makes a protocol."""
    return uvicorn.Config(
        app,
        ws=ws,
        loop="uvloop",
        http="httptools",
        ws_max_size=FRAME_BYTES_MOST,
        ws_per_message_deflate=False,
        log_level=log_level,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )


def run(
    make_app: Callable[[str], ASGIApp],
    *,
    log_level: str,
    sockets: Callable[[ASGIApp], Any] = lambda _app: "websockets-sansio",
) -> None:
    """Serve the application that is made of the line on standard input, on the socket of the number given, until told to stop.

    *sockets* says who reads its WebSockets, as uvicorn's `ws` does.
    """
    listening = socket.socket(fileno=int(sys.argv[1]))
    app = make_app(sys.stdin.readline())
    config = config_of(app, log_level=log_level, ws=sockets(app))
    server = _Server(config)

    async def serve() -> None:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _end_without_parent, server)
        await server.serve(sockets=[listening])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())


def _end_without_parent(server: uvicorn.Server) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        server.should_exit = True


if __name__ == "__main__":
    main()
