"""What the processes of the service count, told as one text whichever of them is asked.

Each process serves its own counts on a socket in a folder they share, and the one that is asked for the metrics asks the others. Nothing
is written while nobody asks. Every series carries the label `process`, from 0: were they added up, the counters would fall whenever one
process is replaced, and a rate over them would be wrong; `sum without (process)` of rates is right.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import orjson

from scaleworthy.series.meter import Meter
from scaleworthy.series.prometheus import Families, families, merged

# One that does not answer is left out: what the others count is not to wait for it.
_ASK_S = 1.0
_BYTES_MAX = 64 * 1024 * 1024


class Figures:
    """The counts of one process among several. `open` before use, `close` at the end."""

    def __init__(self, meter: Meter, *, process: int = 0, processes: int = 1, folder: str | None = None) -> None:
        self._meter = meter
        self._process = process
        self._others = [number for number in range(processes) if number != process]
        self._folder = Path(folder) if folder is not None else None
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Let the others ask."""
        if self._folder is not None:
            path = self._path(self._process)
            # Of a process that ended without closing it.
            path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._tell, path)

    async def close(self) -> None:
        """Answer the others no more."""
        if self._server is not None:
            self._server.close()

    async def text(self) -> str:
        """Return what all processes have counted since they started."""
        told = await asyncio.gather(*(self._ask(number) for number in self._others))
        return merged([self._own(), *(one for one in told if one is not None)])

    def _own(self) -> Families:
        label = ("process", str(self._process))
        return families((replace(key, labels=(*key.labels, label)), value) for key, value in self._meter.totals())

    async def _tell(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(orjson.dumps(self._own()))
            await writer.drain()
        writer.close()

    async def _ask(self, number: int) -> Families | None:
        if self._folder is None:
            return None
        try:
            async with asyncio.timeout(_ASK_S):
                reader, writer = await asyncio.open_unix_connection(self._path(number), limit=_BYTES_MAX)
                try:
                    told: Families = orjson.loads(await reader.read())
                finally:
                    writer.close()
        except (OSError, TimeoutError, orjson.JSONDecodeError):
            return None
        return told

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{number}.sock"
