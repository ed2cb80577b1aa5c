"""All media streams of a process: who may open one, the clock they speak by, what is kept of each.

Bounds: STREAMS_MAX streams; SET_UPS at once are looked up and SAVES at once are saved, so that a thousand callers who come or go
in the same second wait for each other here and leave database connections to everybody else.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.database import Row, Statement
from scaleworthy.switchboard.files import storing
from scaleworthy.switchboard.media import stream as media
from scaleworthy.switchboard.media.stream import Outcome, Stream
from scaleworthy.switchboard.queries import calls
from scaleworthy.switchboard.queries import voice as sql
from scaleworthy.switchboard.tenancy import Tenant

if TYPE_CHECKING:
    from scaleworthy.switchboard.request import Service

STREAMS_MAX = 2_000
SET_UPS = 4
SAVES = 2
_PHASES = 4
_PHASE_S = 0.005
_LOOKS_EVERY = 200


class Refused(Exception):
    """A stream that may not be: the code and the reason its socket is closed with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class MediaStatistics:
    """Counts since the process began, of streams that are over; `open` is now."""

    open: int
    ended: dict[int, int]
    frames_received: int
    frames_sent: int
    frames_lost: int
    frames_late: int
    not_saved: int


class MediaStreams:
    """The streams of one process. `clock_ns` is monotonic."""

    def __init__(
        self,
        *,
        streams_max: int = STREAMS_MAX,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter
        self._max = streams_max
        self.clock_ns = clock_ns
        self._set_ups = asyncio.Semaphore(SET_UPS)
        self._saves = asyncio.Semaphore(SAVES)
        self._open: dict[Stream, int] = {}
        self._by_call: defaultdict[int, set[Stream]] = defaultdict(set)
        # Calls whose streams are looked up now, and those of them that end meanwhile.
        self._opening: Counter[int] = Counter()
        self._over: set[int] = set()
        self._phases: list[list[Stream]] = [[] for _ in range(_PHASES)]
        self._beats = 0
        self._beat: asyncio.TimerHandle | None = None
        self._ended: Counter[int] = Counter()
        self._frames: Counter[str] = Counter()
        self._not_saved = 0
        if meter is not None:
            meter.gauge("switchboard.media.open", "streams", lambda: len(self._open))
            meter.counter_of("switchboard.media.not_saved", "streams", lambda: self._not_saved)

    async def admit(self, service: Service, key: str | None, call_id: int) -> Tenant:
        """Return whose call it is.

        Raises:
            Refused: Nobody has the key, the tenant has no such call, it is over, or there are too many streams.
        """
        if self._is_full():
            raise Refused(media.FULL, f"this process holds {self._max:,} streams; try again later")
        self._opening[call_id] += 1
        try:
            async with self._set_ups:
                key = key or service.default_key
                tenant = await service.tenants.by_key(key) if key else None
                if tenant is None:
                    raise Refused(media.NO_TENANT, "no tenant has the key given in x-tenant-key")
                [rows] = await service.database.run(tenant.id, Statement(calls.ONE, {"id": call_id}))
            if call_id in self._over:
                raise Refused(media.CALL_OVER, f"call {call_id} has ended")
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise Refused(media.FULL, "the database does not answer") from error
        finally:
            self._opening[call_id] -= 1
            if not self._opening[call_id]:
                del self._opening[call_id]
                self._over.discard(call_id)
        if not rows:
            raise Refused(media.NO_CALL, f"there is no call {call_id}")
        if rows[0]["status"] != "active":
            raise Refused(media.CALL_OVER, f"call {call_id} is {rows[0]['status'].replace('_', ' ')}")
        return tenant

    def opened(self, stream: Stream, call_id: int) -> None:
        """Count a stream of a call in, and give it the beat; at once after it was admitted, so that no end of the call is missed."""
        self._open[stream] = call_id
        self._by_call[call_id].add(stream)
        min(self._phases, key=len).append(stream)
        if self._beat is None:
            loop = asyncio.get_running_loop()
            self._beat = loop.call_later(_PHASE_S, self._tick, loop, loop.time() + _PHASE_S)

    def closed(self, stream: Stream) -> None:
        """Count a stream out."""
        call_id = self._open.pop(stream, None)
        if call_id is None:
            return
        self._by_call[call_id].discard(stream)
        if not self._by_call[call_id]:
            del self._by_call[call_id]
        for phase in self._phases:
            if stream in phase:
                phase.remove(stream)
        outcome = stream.outcome()
        self._ended[outcome.close_code] += 1
        for name in ("frames_received", "frames_sent", "frames_lost", "frames_late"):
            self._frames[name] += getattr(outcome, name)
        if self._meter is not None:
            self._tell(self._meter, outcome)
        if not self._open and self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def call_ended(self, data: bytes) -> None:
        """End the streams of a call: it has ended, wherever that was reported; *data* is the event's."""
        if not self._by_call and not self._opening:
            return
        call_id = orjson.loads(data)["id"]
        if call_id in self._opening:
            self._over.add(call_id)
        for stream in tuple(self._by_call.get(call_id, ())):
            stream.end(media.CALL_OVER, f"call {call_id} has ended")

    async def save(self, service: Service, tenant: Tenant, call_id: int, stream: Stream) -> Row | None:
        """Write down how a stream went, what was said, and its sound where it was kept; None: the database did not take it."""
        async with self._saves:
            try:
                answers = await service.database.run(tenant.id, *self._statements(service, tenant, call_id, stream))
            except (psycopg.Error, PoolTimeout, TooManyRequests):
                self._not_saved += 1
                return None
        return answers[0][0] if answers[0] else None

    def statistics(self) -> MediaStatistics:
        """Return counts."""
        return MediaStatistics(
            open=len(self._open),
            ended=dict(self._ended),
            frames_received=self._frames["frames_received"],
            frames_sent=self._frames["frames_sent"],
            frames_lost=self._frames["frames_lost"],
            frames_late=self._frames["frames_late"],
            not_saved=self._not_saved,
        )

    def trouble(self) -> str | None:
        """Why a further stream would be refused, or None."""
        if self._is_full():
            return f"all {self._max:,} streams that this process holds are open"
        return None

    def _is_full(self) -> bool:
        return len(self._open) + self._opening.total() >= self._max

    def _tell(self, meter: Meter, outcome: Outcome) -> None:
        """Record a stream that is over; while it lasts nothing is recorded, frame by frame."""
        meter.counter("switchboard.media.streams", "streams", code=str(outcome.close_code)).add()
        meter.histogram("switchboard.media.set_up").record(round(outcome.set_up_ms * 1e6))
        if outcome.frames_received:
            meter.histogram("switchboard.media.jitter").record(round(outcome.jitter_ms * 1e6))
        for kind in ("received", "sent", "lost", "late"):
            meter.counter("switchboard.media.frames", "frames", kind=kind).add(getattr(outcome, f"frames_{kind}"))

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """Let a quarter of the streams speak: all in one moment would leave the others' frames waiting behind them."""
        self._beats += 1
        now = self.clock_ns()
        for stream in self._phases[self._beats % _PHASES]:
            if stream.reply == "script":
                stream.tick(now)
        if self._beats % _LOOKS_EVERY == 0:
            for stream in list(self._open):
                stream.look(now)
        following = max(due + _PHASE_S, loop.time())
        self._beat = loop.call_at(following, self._tick, loop, following)

    def _statements(self, service: Service, tenant: Tenant, call_id: int, stream: Stream) -> list[Statement]:
        outcome = asdict(stream.outcome())
        now = service.now()
        began = now - timedelta(seconds=(self.clock_ns() - stream.opened_ns) / 1e9)
        shared = {"tenant_id": tenant.id, "id": call_id}
        statements = [Statement(sql.SAVE_STREAM, {**shared, **outcome, "started_at": began})]
        if stream.lines:
            at_ms, said = zip(*stream.lines, strict=True)
            lines: dict[str, Any] = {"at_ms": list(at_ms), "said": list(said), "count": len(said)}
            statements.append(Statement(sql.ADD, {**shared, **lines, "speakers": ["agent"] * len(said)}))
        if stream.recorded:
            name, body = f"call-{call_id}.wav", wav(bytes(stream.recorded))
            statements.append(
                storing(tenant.id, name=name, content_type="audio/wav", body=body, now=now, call_id=call_id)
            )
        return statements


def told(outcome: Outcome, saved: Row | None) -> dict[str, Any]:
    """Return the last message of a stream that was stopped: how it went, and under which number it is kept."""
    return {"event": "stopped", "saved": saved is not None, "stream": {**asdict(outcome), "id": saved and saved["id"]}}


def wav(sound: bytes) -> bytes:
    """Return μ-law at 8 kHz as a WAV file (format 7, one channel, 8 bits)."""
    form = struct.pack("<HHIIHHH", 7, 1, 8000, 8000, 1, 8, 0)
    fact = struct.pack("<I", len(sound))
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + b"fact" + struct.pack("<I", 4) + fact
    body += b"data" + struct.pack("<I", len(sound)) + sound + b"\0" * (len(sound) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body
