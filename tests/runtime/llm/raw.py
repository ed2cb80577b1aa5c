"""A server that answers each request with bytes it was given, whatever they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from scaleworthy.runtime.llm import Provider


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    """An answer in these chunks."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + body + (b"0\r\n\r\n" if end else b"")


@asynccontextmanager
async def answering(answers: Sequence[bytes], *, keeps: bool = False) -> AsyncIterator[tuple[Provider, list[bytes]]]:
    """Answer the requests with *answers* in turn (the last one again and again), closing each connection unless it *keeps* it."""
    asked: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                asked.append(head + await reader.readexactly(length))
                writer.write(answers[min(len(asked), len(answers)) - 1])
                await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            if not keeps:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Provider("raw", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"), asked
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
