"""A listening socket whose every connection is served by a thread of its own: what the small servers of these tests stand on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def accepting(listener: socket.socket, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Give each connection to *serve*, until the block ends; then shut all of them and wait for who served them."""
    threads: list[threading.Thread] = []
    # Handles of their own: TLS takes the connection's away from it.
    handles: list[socket.socket] = []

    def served(connection: socket.socket, handle: socket.socket) -> None:
        try:
            serve(connection)
        finally:
            _shut(handle)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            handles.append(connection.dup())
            threads.append(threading.Thread(target=served, args=(connection, handles[-1])))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for handle in handles:
            _shut(handle)
        for thread in threads:
            thread.join(5)


def _shut(handle: socket.socket) -> None:
    with handle, contextlib.suppress(OSError):  # shut already
        handle.shutdown(socket.SHUT_RDWR)
