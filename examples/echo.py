"""A WebSocket that answers each message with itself, to try docs/guide/websocket.md against: `pip install websockets`.

python examples/echo.py 8000
"""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, serve


async def echo(socket: ServerConnection) -> None:
    """Send back what comes."""
    async for message in socket:
        await socket.send(message)


async def main(port: int) -> None:
    """Serve until Ctrl-C."""
    async with serve(echo, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
