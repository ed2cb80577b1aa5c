"""One replica: how far it has replayed, whether it may be asked, how many ask it now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import psycopg

from scaleworthy.runtime.database.connection import MessageConnection
from scaleworthy.runtime.database.tenancy import Statement
from scaleworthy.runtime.lsn import parse_lsn

_STATE = Statement("select pg_last_wal_replay_lsn()::text as position, pg_is_in_recovery() as in_recovery")
# While somebody waits for a position it is asked this often; otherwise as often as the heartbeat says.
_WAITED_FOR_S = 0.0005
_BACK_FIRST_S, _BACK_MOST_S = 0.1, 1.0


class Replica:
    """Watches a server by a connection of its own. `start` before use, `stop` at the end.

    Args:
        dsn: Of the replica.
        name: For messages; a DSN may hold a password.
        heartbeat_s: How often it is asked how far it is.
        writer_position: How far the writer is, as far as is known.
        lag_most: Bytes it may be behind before it is left out.
        answer_s: How long it may take to say how far it is; then it is gone.
        on_gone: Called when it does not answer any more: whoever waits for it waits in vain.
    """

    def __init__(
        self,
        dsn: str,
        *,
        name: str,
        heartbeat_s: float,
        lag_most: int,
        writer_position: Callable[[], int],
        on_gone: Callable[[], None] = lambda: None,
        answer_s: float = 2.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.at_work = 0
        self._dsn = dsn
        self._heartbeat_s = heartbeat_s
        self._lag_most = lag_most
        self._writer_position = writer_position
        self._on_gone = on_gone
        self._answer_s = answer_s
        self._now = now
        self._position = 0
        self._lag = 0
        self._heard_at = float("-inf")
        self._reason: str | None = "not asked yet"
        self._task: asyncio.Task[None] | None = None
        self._asked: MessageConnection | None = None
        self._stopping = False
        self._wanted = asyncio.Event()
        self._moved = asyncio.Condition()
        self._waiting = 0

    @property
    def position(self) -> int:
        """How far it has replayed, at least."""
        return self._position

    @property
    def lag_bytes(self) -> int:
        """How far it was behind the writer, as far as that was known, when it was last heard of."""
        return self._lag

    @property
    def trouble(self) -> str | None:
        """Why it is not asked; None: it is."""
        if self._reason is not None:
            return f"{self.name}: {self._reason}"
        if self._now() - self._heard_at > 10 * self._heartbeat_s + 1:
            return f"{self.name}: it has not been heard of for {self._now() - self._heard_at:.1f} s"
        if self.lag_bytes > self._lag_most:
            return f"{self.name}: {self.lag_bytes:,} bytes behind the writer, at most {self._lag_most:,} are wanted"
        return None

    def start(self) -> None:
        """Begin to watch it."""
        if self._task is None:
            self._stopping = False
            self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End watching."""
        if self._task is not None:
            self._stopping = True
            if self._asked is not None:
                # Cut rather than cancelled: to cancel, a server that hangs would have to be asked too.
                self._asked.cut()
            else:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def reach(self, position: int, *, within_s: float) -> bool:
        """Wait until it has replayed *position*; return whether it has within the time."""
        if self._position >= position:
            return True
        if within_s <= 0 or self.trouble is not None:
            return False
        self._waiting += 1
        self._wanted.set()
        try:
            async with asyncio.timeout(within_s), self._moved:
                await self._moved.wait_for(lambda: self._position >= position or self._reason is not None)
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return self._position >= position

    def heard(self, position: int) -> None:
        """Take note that it has replayed *position*."""
        self._position = max(self._position, position)
        self._lag = max(0, self._writer_position() - position)
        self._heard_at = self._now()
        self._reason = None

    async def ready(self) -> None:
        """Wait until it has been heard of."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._reason is None)

    def left_out(self, reason: str) -> None:
        """Leave it out until it has been heard of again: somebody could not use it."""
        self._reason = self._reason or reason

    async def _watch(self) -> None:
        pause_s = _BACK_FIRST_S
        while True:
            try:
                connection = await MessageConnection.connect(self._dsn, autocommit=True, connect_timeout=2)
                async with connection:
                    # It may have been built anew from an older copy.
                    self._position = 0
                    while True:
                        await self._ask(connection)
                        if self._stopping:
                            # It was cut, or cancelled, in the moment its answer came.
                            return
                        pause_s = _BACK_FIRST_S
                        await self._rest()
            except (psycopg.Error, OSError, TimeoutError) as error:
                self._reason = str(error).partition("\n")[0] or type(error).__name__
                self._on_gone()
                async with self._moved:
                    self._moved.notify_all()
            if self._stopping:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _BACK_MOST_S)

    async def _ask(self, connection: MessageConnection) -> None:
        began = self._now()
        self._asked = connection
        late = asyncio.get_running_loop().call_later(self._answer_s, connection.cut)
        try:
            [[row]] = await connection.run([_STATE])
        except psycopg.OperationalError as error:
            if self._now() - began < self._answer_s:
                raise
            raise TimeoutError(f"no answer within {self._answer_s:g} s") from error
        finally:
            self._asked = None
            late.cancel()
        if row["position"] is None or not row["in_recovery"]:
            self._reason = "it is no replica (any more): it does not replay a writer's log"
            self._heard_at = self._now()
        else:
            self.heard(parse_lsn(row["position"]))
        async with self._moved:
            self._moved.notify_all()

    async def _rest(self) -> None:
        if self._waiting:
            await asyncio.sleep(_WAITED_FOR_S)
            return
        self._wanted.clear()
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await self._wanted.wait()
        except TimeoutError:
            return
