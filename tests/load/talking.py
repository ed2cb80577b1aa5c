"""A real WebSocket server (the `websockets` library) whose every connection is served by a function."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


def echo(connection: ServerConnection) -> None:
    """Say each message again."""
    for message in connection:
        connection.send(message)


@contextlib.contextmanager
def talking(handler: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """Serve *handler* on a free port; yield the target's URL."""

    def quietly(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            handler(connection)

    with serve(quietly, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join()
