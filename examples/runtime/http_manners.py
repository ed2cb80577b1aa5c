"""An application in all HTTP manners: what a client sees of them, and what is counted.

Run it: python examples/runtime/http_manners.py. It serves itself for a moment, and prints:

    a list of leads: 200, … bytes as zstd, no apiKey in it
    the same again, with its tag: 304, 0 bytes
    five at once, the application asked once: 5 answers, 1 computation
    too many of one tenant: 429, again in 1 s
    a body of 2 MB: 413
    no time for it: 504, no answer within 150 ms
    slow, as the log has it: GET /leads/slow took …, status 504, 1 statements
    counted: {'too_large': 1, 'slow': 1, 'limited': 1, 'shed': 0, 'deadline_passed': 1, 'joined': 4, 'unreadable': 0}
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request

from scaleworthy.runtime import http
from scaleworthy.runtime.limit import Limit
from scaleworthy.runtime.work import work

app = FastAPI()
computed = 0


@app.get("/leads")
async def leads() -> list[dict[str, Any]]:
    """Show two hundred leads, with a field that must not leave."""
    return [{"id": number, "name": f"lead {number}", "apiKey": "s3cret"} for number in range(200)]


@app.get("/leads/statistics")
async def statistics() -> dict[str, int]:
    """Compute something dear."""
    global computed
    computed += 1
    await asyncio.sleep(0.05)
    return {"leads": 200}


@app.get("/leads/slow")
async def slow() -> dict[str, int]:
    """Ask a database for longer than the client waits; `runtime.database` notes its statements by itself."""
    noted = work.get()
    if noted is not None:
        noted.note("select pg_sleep(1)", 1_000_000_000)
    await asyncio.sleep(1)
    return {}


@app.post("/leads")
async def create(request: Request) -> dict[str, int]:
    """Take a body."""
    return {"bytes": len(await request.body())}


async def main() -> None:
    """Serve, ask, and show."""
    written: list[str] = []
    stack = http.Stack(
        app,
        [
            http.BodyLimit(1024 * 1024),
            http.SlowLog(over="120ms", log=lambda form, *values: written.append(form % values)),
            http.RateLimit(Limit("60/m", burst=20), by=http.by_header("x-tenant-key")),
            http.Shedding(),
            http.Deadline(),
            http.Coalescing(),
            http.Compression(),
            http.ETag(),
            http.Redaction(),
            http.CacheControl(),
        ],
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(stack, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, headers={"x-tenant-key": "ann", "accept-encoding": "zstd"}) as client:
        async with client.stream("GET", "/leads") as stream:
            first = b"".join([piece async for piece in stream.aiter_raw()])
        packed = stream.headers["content-encoding"]
        hidden = "no apiKey in it" if "apiKey" not in (await client.get("/leads")).text else "apiKey in it"
        print(f"a list of leads: {stream.status_code}, {len(first)} bytes as {packed}, {hidden}")
        again = await client.get("/leads", headers={"if-none-match": stream.headers["etag"]})
        print(f"the same again, with its tag: {again.status_code}, {len(again.content)} bytes")
        together = await asyncio.gather(*(client.get("/leads/statistics") for _ in range(5)))
        print(
            f"five at once, the application asked once: {len(together)} answers, {computed} computation{'s'[computed == 1 :]}"
        )
        for _ in range(21):
            refused = await client.get("/nothing", headers={"x-tenant-key": "bob"})
        print(f"too many of one tenant: {refused.status_code}, again in {refused.headers['retry-after']} s")
        large = await client.post("/leads", content=b"x" * 2_000_000)
        print(f"a body of 2 MB: {large.status_code}")
        late = await client.get("/leads/slow", headers={"request-timeout": "150ms"})
        print(f"no time for it: {late.status_code}, {late.json()['detail']}")
        print(f"slow, as the log has it: {written[-1].splitlines()[0]}")
    print(f"counted: {stack.statistics().manners}")
    server.should_exit = True
    await serving
    listening.close()


if __name__ == "__main__":
    asyncio.run(main())
