"""Media streams on a real server, in each shape: what is said comes back, what goes wrong has a code, and all of it is written down."""

import asyncio
import base64
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from scaleworthy.series import Histogram
from scaleworthy.series.meter import Meter
from scaleworthy.servers import Postgres
from scaleworthy.switchboard.app import create_app
from scaleworthy.switchboard.live.hub import Hub
from scaleworthy.switchboard.media import stream as media
from scaleworthy.switchboard.media.framing import SILENCE, read_rtp, write_rtp
from scaleworthy.switchboard.media.pace import FRAME_NS
from scaleworthy.switchboard.media.phrases import PHRASES, frames_of, is_voice
from scaleworthy.switchboard.media.streams import MediaStreams
from scaleworthy.switchboard.migrate import relay_dsn
from scaleworthy.switchboard.settings import Settings
from scaleworthy.switchboard.worker import config_of, sockets_of
from waiting import until

from .running import Clock, Data, fill, serving

SOUND = [bytes([number]) * 160 for number in range(1, 11)]
QUIET = bytes([SILENCE]) * 160


class Ticks:
    """Monotonic time as a test tells it: every look is so much later than the one before."""

    def __init__(self, step_ns: int = 0) -> None:
        self.at_ns, self.step_ns = 10**12, step_ns

    def __call__(self) -> int:
        self.at_ns += self.step_ns
        return self.at_ns


class Served:
    """A service on a socket, and calls to hear."""

    def __init__(self, url: str, data: Data, streams: MediaStreams, ticks: Ticks, hub: Hub) -> None:
        self.url, self.data, self.streams, self.ticks, self.hub = url, data, streams, ticks, hub

    def call(self, tenant: int = 0, status: str = "active") -> int:
        [(number,)] = self.data.rows(
            "insert into calls (tenant_id, phone_number, direction, status, started_at)"
            " values (%s, '+1555', 'inbound', %s, '2026-10-30') returning id",
            [self.data.tenants[tenant][0], status],
        )
        return int(number)

    @contextlib.asynccontextmanager
    async def stream(
        self, call: int, query: str = "", *, tenant: int | None = 0, prefix: str = "/api", **given: Any
    ) -> AsyncIterator[ClientConnection]:
        headers = {} if tenant is None else {"x-tenant-key": self.data.tenants[tenant][1]}
        async with connect(
            f"{self.url}{prefix}/calls/{call}/media{query}", additional_headers=headers, proxy=None, **given
        ) as connection:
            yield connection

    def counted(self, name: str, **labels: str) -> float:
        assert self.streams._meter is not None
        return self.streams._meter.counter(name, name.rpartition(".")[2], **labels).total

    def measured(self, name: str) -> Histogram:
        assert self.streams._meter is not None
        [found] = [value for key, value in self.streams._meter.totals() if key.name == name]
        assert isinstance(found, Histogram)
        return found

    def row(self, call: int) -> dict[str, Any]:
        columns = (
            "reply",
            "frames_received",
            "frames_sent",
            "frames_lost",
            "frames_late",
            "close_code",
            "close_reason",
        )
        [row] = self.data.rows(f"select {', '.join(columns)} from media_streams where call_id = %s", [call])
        return dict(zip(columns, row, strict=True))

    async def saved(self, call: int) -> dict[str, Any]:
        """The row, once the server has noticed that the client is gone."""
        await until(lambda: self.data.rows("select 1 from media_streams where call_id = %s", [call]), "it is saved")
        return self.row(call)


@contextlib.asynccontextmanager
async def served(data: Data, shape: str, ticks: Ticks, **limits: Any) -> AsyncIterator[Served]:
    # On the tests' clock: a recording of today's would be the newest for whoever reads the same data on it.
    app = create_app(Settings(shape=shape, dsn=data.app, relay_dsn=relay_dsn(data.owner)), now=Clock().now)
    streams = MediaStreams(clock_ns=ticks, meter=Meter(), **limits)
    object.__setattr__(app.state.service, "media", streams)
    app.state.service.live.hub.hear("call.ended", streams.call_ended)
    server = uvicorn.Server(config_of(app, log_level="error", ws=sockets_of(app)))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started, "the service serves")
        try:
            yield Served(
                f"ws://127.0.0.1:{listening.getsockname()[1]}", data, streams, ticks, app.state.service.live.hub
            )
        finally:
            server.should_exit = True
            await running


@pytest.fixture(params=["day-one", "tuned"])
async def server(request: pytest.FixtureRequest, data: dict[str, Data]) -> AsyncIterator[Served]:
    async with served(data[request.param], request.param, Ticks(FRAME_NS // 10)) as running:
        yield running


async def begun(connection: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(await connection.recv()))


async def end_of(connection: ClientConnection) -> tuple[int, str]:
    """Read until the server closes; return its code and reason."""
    with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 - some messages come before the end
        while True:
            await connection.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def test_each_frame_comes_back_and_the_end_tells_how_it_went(server: Served) -> None:
    call = server.call()
    async with server.stream(call) as connection:
        first = await begun(connection)
        assert (first["event"], first["frame_bytes"], first["frame_ms"]) == ("connected", 160, 20)
        assert first["set_up_ms"] > 0
        for sound in SOUND:
            await connection.send(sound)
            assert await connection.recv() == sound
        await connection.send('{"event": "stop"}')
        last = json.loads(await connection.recv())
        assert await end_of(connection) == (1000, "stopped")

    assert last["event"] == "stopped"
    assert last["saved"] is True
    assert (last["stream"]["frames_received"], last["stream"]["frames_sent"]) == (10, 10)
    assert server.row(call) == {
        "reply": "echo", "frames_received": 10, "frames_sent": 10, "frames_lost": 0, "frames_late": 0,
        "close_code": 1000, "close_reason": "stopped",
    }  # fmt: skip
    assert server.streams.statistics().ended == {1000: 1}
    assert server.counted("switchboard.media.frames", kind="received") == 10
    assert server.counted("switchboard.media.streams", code="1000") == 1
    set_up, jitter = (server.measured(f"switchboard.media.{what}") for what in ("set_up", "jitter"))
    assert (set_up.count, jitter.count) == (1, 1)
    assert set_up.quantile(0.5) == pytest.approx(last["stream"]["set_up_ms"] * 1e6, rel=0.01)
    assert jitter.quantile(0.5) == pytest.approx(last["stream"]["jitter_ms"] * 1e6, rel=0.01)
    assert last["stream"]["jitter_ms"] > 0, "each frame comes when it is looked at, and not after 20 ms"


async def test_rtp_is_answered_with_rtp_and_what_is_missing_of_its_numbers_is_lost(server: Served) -> None:
    call = server.call()
    async with server.stream(call, prefix="") as connection:
        await begun(connection)
        for number in (65_534, 65_535, 0, 3):
            await connection.send(write_rtp(number, SOUND[0]))
            answer = await connection.recv()
            assert isinstance(answer, bytes)
            assert read_rtp(answer)[1] == SOUND[0]
        await connection.send('{"event": "stop"}')
        assert json.loads(await connection.recv())["stream"]["frames_lost"] == 2


async def test_a_providers_media_events_are_answered_alike(server: Served) -> None:
    call = server.call()
    async with server.stream(call) as connection:
        await begun(connection)
        await connection.send('{"event": "connected", "protocol": "Call", "version": "1.0.0"}')
        await connection.send(
            '{"event": "start", "start": {"mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}}'
        )
        payload = base64.b64encode(SOUND[3]).decode()
        await connection.send(
            json.dumps({"event": "media", "sequenceNumber": "7", "media": {"payload": payload, "track": "inbound"}})
        )
        answer = json.loads(await connection.recv())

    assert (answer["event"], answer["media"]["payload"]) == ("media", payload)
    row = await server.saved(call)
    assert (row["close_code"], row["frames_received"]) == (1000, 1)


async def test_the_script_greets_and_answers_when_the_caller_has_finished(server: Served) -> None:
    server.ticks.step_ns = FRAME_NS
    call = server.call()
    async with server.stream(call, "?reply=script") as connection:
        await begun(connection)
        greeting = [await connection.recv() for _ in frames_of(0)]
        for sound in [SOUND[4]] * 5 + [QUIET] * 20:
            await connection.send(sound)
        answer = [await connection.recv() for _ in frames_of(1)]
        await connection.send('{"event": "stop"}')
        await end_of(connection)

    assert tuple(greeting) == frames_of(0)
    assert tuple(answer) == frames_of(1)
    said = server.data.rows("select speaker, said from transcripts where call_id = %s order by at_ms, id", [call])
    assert said == [("agent", PHRASES[0]), ("agent", PHRASES[1])]


async def test_what_is_heard_is_kept_as_the_calls_recording(server: Served, data: dict[str, Data]) -> None:
    call = server.call()
    async with server.stream(call, "?record=true") as connection:
        await begun(connection)
        for sound in SOUND:
            await connection.send(sound)
            assert await connection.recv() == sound
        await connection.send('{"event": "stop"}')
        await end_of(connection)

    shape = "day-one" if server.data is data["day-one"] else "tuned"
    async with serving(server.data, shape) as api:
        await api.post("/calls/end", json={"call_id": call})
        recordings = (await api.get("/recordings?limit=100")).json()["recordings"]
        number = next(one["id"] for one in recordings if one["call_id"] == call)
        sound = await api.get(f"/recordings/{number}/audio")
        streams = (await api.get(f"/calls/transcript?call_id={call}")).json()["media_streams"]
    assert sound.headers["content-type"] == "audio/wav"
    assert sound.content[:4] == b"RIFF"
    assert sound.content.endswith(b"".join(SOUND))
    assert int.from_bytes(sound.content[4:8], "little") == len(sound.content) - 8
    assert [one["frames_received"] for one in streams] == [10]


WRONG: list[tuple[list[bytes | str], int, str]] = [
    ([SOUND[0][:80]], media.BAD_FRAME, "got 80"),
    ([b""], media.BAD_FRAME, "got 0"),
    ([SOUND[0], b"\x00" * 172], media.BAD_FRAME, "RTP"),
    (["stop"], media.BAD_FRAME, "JSON"),
    (["[]"], media.BAD_FRAME, "`event`"),
    (['{"event": "dance"}'], media.BAD_FRAME, "dance"),
    (['{"event": "media", "media": {"payload": "AAAA"}}'], media.BAD_FRAME, "got 3"),
    (['{"event": "media", "sequenceNumber": {}, "media": {"payload": "AAAA"}}'], media.BAD_FRAME, "sequenceNumber"),
    (['{"event": "start", "start": {"mediaFormat": {"sampleRate": 16000}}}'], media.BAD_FRAME, "8000"),
    ([b"\x00" * 70_000], media.TOO_LARGE, ""),
]


async def test_a_message_that_cannot_be_ends_the_stream_with_a_code_and_a_reason(server: Served) -> None:
    for messages, code, reason in WRONG:
        async with server.stream(server.call()) as connection:
            await begun(connection)
            for message in messages:
                await connection.send(message)
            got = await end_of(connection)
        assert got[0] == code, (messages, got)
        assert reason in got[1]


async def test_who_may_not_hear_a_call_is_told_so(server: Served) -> None:
    mine, over = server.call(), server.call(status="completed")
    for call, tenant, code in [
        (mine, None, media.NO_TENANT),
        (mine, 1, media.NO_CALL),
        (10**12, 0, media.NO_CALL),
        (over, 0, media.CALL_OVER),
    ]:
        async with server.stream(call, tenant=tenant) as connection:
            assert (await end_of(connection))[0] == code
    assert server.data.rows("select 1 from media_streams where call_id = any(%s)", [[mine, over]]) == []


async def test_a_stream_ends_with_its_call_and_is_saved_and_others_go_on(server: Served) -> None:
    call, other = server.call(), server.call()
    async with server.stream(call) as one, server.stream(call) as two, server.stream(other) as goes_on:
        for connection in (one, two, goes_on):
            await begun(connection)
        await one.send(SOUND[0])
        assert await one.recv() == SOUND[0]
        async with httpx.AsyncClient(base_url=server.url.replace("ws", "http"), timeout=20) as http:
            key = {"x-tenant-key": server.data.tenants[0][1]}
            ended = await http.post("/api/calls/end", json={"call_id": call}, headers=key)
        assert ended.json()["ended_now"] is True
        assert await end_of(one) == await end_of(two) == (media.CALL_OVER, f"call {call} has ended")
        await goes_on.send(SOUND[1])
        assert await goes_on.recv() == SOUND[1]
    rows = server.data.rows(
        "select frames_received, close_code from media_streams where call_id = %s order by 1", [call]
    )
    assert rows == [(0, media.CALL_OVER), (1, media.CALL_OVER)]


async def test_a_call_that_ends_while_its_stream_is_let_in_has_none(server: Served) -> None:
    """It was active when the database was asked, and its end was told before the answer was here."""
    call, tenant = server.call(), server.data.tenants[0][0]
    waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'from calls where id'"
    with psycopg.connect(server.data.owner) as owner:
        owner.execute("lock table calls in access exclusive mode")
        async with server.stream(call) as connection:
            await until(lambda: server.data.rows(waits), "the stream's call is looked up")
            await server.hub.tell(tenant, "call.ended", b'{"id":%d}' % call)
            owner.rollback()
            assert await end_of(connection) == (media.CALL_OVER, f"call {call} has ended")
    async with server.stream(call) as again:
        assert (await begun(again))["event"] == "connected", "the next one is asked about anew"


async def test_a_flood_is_ended_and_what_came_before_is_counted(server: Served) -> None:
    server.ticks.step_ns = 0
    call = server.call()
    async with server.stream(call) as connection:
        await begun(connection)
        with contextlib.suppress(ConnectionClosed):
            for _ in range(media.AHEAD_MAX + 50):
                await connection.send(SOUND[0])
        assert await end_of(connection) == (media.FLOOD, f"more than {media.AHEAD_MAX} frames ahead of one every 20 ms")
    row = await server.saved(call)
    assert (row["close_code"], row["frames_received"]) == (media.FLOOD, media.AHEAD_MAX + 2)


async def test_who_says_too_much_before_it_is_let_in_is_ended(data: dict[str, Data]) -> None:
    async with served(data["tuned"], "tuned", Ticks(0)) as server:
        call = server.call()
        with psycopg.connect(server.data.owner) as owner:
            owner.execute("lock table calls in access exclusive mode")
            for messages in ([SOUND[0]] * (media.AHEAD_MAX + 1), [bytes(40_000)] * 2):
                async with server.stream(call) as connection:
                    for message in messages:
                        await connection.send(message)
                    assert await end_of(connection) == (media.FLOOD, "too much was said before the stream was open")


async def test_a_client_that_says_nothing_is_ended(server: Served) -> None:
    server.ticks.step_ns = 0
    async with server.stream(server.call()) as connection:
        await begun(connection)
        server.ticks.at_ns += media.SILENT_NS + 1
        assert await end_of(connection) == (media.SILENT, "no frame for 10 s")


async def test_a_client_that_vanishes_in_half_a_frame_is_written_down(server: Served) -> None:
    call = server.call()
    async with server.stream(call) as connection:
        await begun(connection)
        await connection.send(SOUND[0])
        await connection.recv()
        connection.transport.write(b"\x82\xfe\x00\xa0" + bytes(50))
        connection.transport.abort()

    row = await server.saved(call)
    assert row["close_code"] in (1005, media.NO_CLOSE)  # uvicorn says the first
    assert row["frames_received"] == 1
    assert server.streams.statistics().open == 0


async def test_frames_in_pieces_and_many_at_once_are_the_same_frames(server: Served) -> None:
    """The quick way and the careful one read one stream: wherever the network cuts it, nothing is lost or doubled."""
    call = server.call()
    async with server.stream(call) as connection:
        await begun(connection)
        key = os.urandom(4)
        frames = [
            b"\x82\xfe\x00\xa0" + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(sound)) for sound in SOUND
        ]
        stream = b"".join(frames)
        stream = stream[:168] + b"\x89\x80" + key + stream[168:]  # a ping between two frames
        [heard] = server.streams._open
        # Cut within the ping, within a frame's head, and within a frame; a piece is read before the next one is sent.
        for start, end, whole in [(0, 171, 1), (171, 345, 2), (345, 345 + 168 * 3 + 9, 5), (858, len(stream), 10)]:
            connection.transport.write(stream[start:end])
            await until(lambda whole=whole: heard.pace.received == whole, f"{whole} frames are read")
        assert [await connection.recv() for _ in SOUND] == SOUND
        await connection.send([SOUND[0][:10], SOUND[0][10:]])  # one message of two frames
        assert await connection.recv() == SOUND[0]
    assert (await server.saved(call))["frames_received"] == 11


async def test_beyond_its_streams_a_process_takes_no_more_and_health_says_why(data: dict[str, Data]) -> None:
    async with served(data["tuned"], "tuned", Ticks(FRAME_NS), streams_max=1) as server:
        async with server.stream(server.call()) as one:
            await begun(one)
            async with server.stream(server.call()) as other:
                assert await end_of(other) == (media.FULL, "this process holds 1 streams; try again later")
            assert server.streams.trouble() == "all 1 streams that this process holds are open"
        async with server.stream(server.call()) as again:
            assert (await begun(again))["event"] == "connected"


@pytest.mark.parametrize("shape", ["day-one", "tuned"])
async def test_while_the_database_is_gone_nobody_is_let_in_and_who_leaves_is_told_that_nothing_was_saved(
    postgres: Postgres, shape: str
) -> None:
    name = f"media_gone_{len(shape)}"
    data = fill(postgres, name, sets=("tuned",) if shape == "tuned" else ())
    async with served(data, shape, Ticks(FRAME_NS)) as server:
        call = server.call()
        async with server.stream(call) as one:
            await begun(one)
            gone = f"alter database {name} allow_connections false"
            postgres.run_sql(gone)
            postgres.run_sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
            async with server.stream(call) as other:
                assert await end_of(other) == (media.FULL, "the database does not answer")
            await one.send(SOUND[0])
            assert await one.recv() == SOUND[0], "a stream that is open goes on"
            await one.send('{"event": "stop"}')
            last = json.loads(await one.recv())
            assert await end_of(one) == (1000, "stopped")
        assert (last["saved"], last["stream"]["frames_received"]) == (False, 1)
        assert server.streams.statistics().not_saved == 1
        postgres.run_sql(gone.replace("false", "true"))


async def test_a_reader_that_reads_nothing_is_dropped(server: Served) -> None:
    server.ticks.step_ns = FRAME_NS
    call = server.call()
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    host, port = server.url.removeprefix("ws://").split(":")
    await asyncio.get_running_loop().sock_connect(narrow, (host, int(port)))
    async with server.stream(call, sock=narrow) as slow:
        await begun(slow)
        slow.transport.pause_reading()
        frames = (b"\x82\xfe\x00\xa0" + bytes(4) + SOUND[0]) * 200

        def has_ended() -> bool:
            if slow.transport.get_write_buffer_size() < 10**6:
                slow.transport.write(frames)
            return bool(server.streams.statistics().ended)

        await until(has_ended, "the stream is ended")
        slow.transport.abort()

    assert server.streams.statistics().ended == {media.TOO_SLOW: 1}
    assert (await server.saved(call))["close_reason"] == "the client reads too slowly"


def test_voice_is_told_from_silence() -> None:
    assert is_voice(frames_of(0)[0])
    assert not is_voice(QUIET)
    assert not is_voice(b"\x7f\xff" * 80)
