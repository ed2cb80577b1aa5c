"""Whatever a provider, a network, a client or a clock does: the documented answer, in time, with everything counted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.llm.raw import answering, chunked
from scaleworthy.runtime.breaker import Breaker
from scaleworthy.runtime.llm import CallFailed, Completion, Gateway, Model, NoModel, OverBudget, Provider
from scaleworthy.runtime.llm.budget import Budget
from scaleworthy.runtime.llm.minute import Bucket, Window
from scaleworthy.switchboard.llm_process import LlmProcess
from scaleworthy.switchboard.llm_settings import FAULTS, LlmSettings
from waiting import until

ASK = [{"role": "user", "content": "What was the call about?"}]
QUICK: dict[str, Any] = {"first_s": 0.0, "tokens_per_s": 1e6, "tokens": 20}
CALM: dict[str, Any] = dict.fromkeys(FAULTS, 0.0) | {"key": None, "requests_per_minute": None} | QUICK
WORD = b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


SAID = '{"choices": [{"message": {"content": "é b"}}]}'.encode()
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(SAID), SAID)


class Endpoint:
    """The endpoint of these tests, told to misbehave."""

    def __init__(self, process: LlmProcess, name: str) -> None:
        self._root = process.url.removesuffix("/v1")
        self.provider = Provider(name, process.url, key="sk-secret")

    def behave(self, **wanted: Any) -> Provider:
        httpx.put(f"{self._root}/settings", json=CALM | wanted).raise_for_status()
        return self.provider

    def counts(self) -> dict[str, int]:
        return dict(httpx.get(f"{self._root}/counts").json())

    async def counts_when(self, **wanted: int) -> dict[str, int]:
        """Ask until they are as *wanted*: the other process has its own pace."""
        async with httpx.AsyncClient() as client:

            async def as_wanted() -> dict[str, int]:
                counts = dict((await client.get(f"{self._root}/counts")).json())
                return counts if all(counts[name] == value for name, value in wanted.items()) else {}

            return await until(as_wanted, f"counts of {wanted}")


@pytest.fixture(scope="module")
def endpoints() -> Iterator[tuple[Endpoint, Endpoint]]:
    with LlmProcess.start(LlmSettings(**QUICK)) as bad, LlmProcess.start(LlmSettings(**QUICK)) as good:
        yield Endpoint(bad, "bad"), Endpoint(good, "good")


@pytest.fixture
def bad(endpoints: tuple[Endpoint, Endpoint]) -> Endpoint:
    for endpoint in endpoints:
        endpoint.behave()
    return endpoints[0]


@pytest.fixture
def good(endpoints: tuple[Endpoint, Endpoint]) -> Endpoint:
    return endpoints[1]


REASONS = {
    "failed": r"500 something went wrong",
    "stalled": r"nothing came for 0\.1 s",
    "paused": r"nothing came for 1 s",
    "broken": r"the answer broke off",
    "half": r"the answer broke off",
    "garbled": r"an answer that cannot be read: b'\{\"choices\": \[\}'",
    "mangled": r"an answer that cannot be read: ",
    "endless": r"its answer does not end: [\d,]+ bytes so far",
}


def patience(fault: str) -> float:
    """Seconds of silence: short where there is nothing else, longer where something must come first, long where there should be none."""
    return {"stalled": 0.1, "paused": 1.0}.get(fault, 10.0)


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_one_provider_does_another_answers_whole(bad: Endpoint, good: Endpoint, fault: str) -> None:
    one = Model("a", bad.behave(**{fault: 1.0}), timeout_s=patience(fault), answer_most_bytes=20_000, fallbacks=("b",))
    async with Gateway([one, Model("b", good.provider)]) as gateway:
        answer = await gateway.complete(ASK, model="a")
        spent = gateway.statistics().models["a"]

    assert (answer.model, len(answer.text.split())) == ("b", 20)
    assert len(answer.tried) == 1
    assert re.search(REASONS[fault], answer.tried[0])
    assert (spent.failed, spent.answered, spent.under_way) == (1, 0, 0)
    # What had come before it broke off was paid for.
    assert (spent.completion_tokens > 0) == (fault not in ("failed", "stalled"))
    assert (await bad.counts_when(under_way=0))["under_way"] == 0


async def read(gateway: Gateway, said: list[str | Completion]) -> None:
    async for piece in gateway.stream(ASK, model="a"):
        said.append(piece)  # noqa: PERF401 - what came before it broke off is wanted too


@pytest.mark.parametrize("fault", ["paused", "broken", "half", "garbled", "endless"])
async def test_what_breaks_off_in_the_open_is_an_error_and_never_a_whole_answer(
    bad: Endpoint, good: Endpoint, fault: str
) -> None:
    one = Model("a", bad.behave(**{fault: 1.0}), timeout_s=patience(fault), answer_most_bytes=20_000, fallbacks=("b",))
    said: list[str | Completion] = []
    async with Gateway([one, Model("b", good.provider)]) as gateway:
        with pytest.raises(CallFailed, match=REASONS[fault]):
            await read(gateway, said)

    assert said
    assert not any(isinstance(piece, Completion) for piece in said)


async def test_a_provider_that_is_gone_is_left_alone_and_taken_back_by_itself() -> None:
    now = 0.0
    with LlmProcess.start(LlmSettings(**QUICK)) as process:
        provider, port = Provider("p", process.url), int(process.url.rpartition(":")[2].removesuffix("/v1"))
        gateway = Gateway(
            [Model("a", provider)],
            breaker=lambda name, counts: Breaker(name, counts=counts, least_calls=4, probes=1, now=lambda: now),
        )
        assert (await gateway.complete(ASK, model="a")).model == "a"
    for _ in range(3):
        with pytest.raises(NoModel):
            await gateway.complete(ASK, model="a")
    assert "3 of 4 calls failed" in (gateway.trouble() or "")
    with pytest.raises(NoModel, match="p is not asked for another 5 s"):
        await gateway.complete(ASK, model="a")
    with LlmProcess.start(LlmSettings(**QUICK), port=port):
        now = 6.0
        assert (await gateway.complete(ASK, model="a")).model == "a"
        assert gateway.trouble() is None
    await gateway.close()


async def test_429_is_obeyed_for_as_long_as_it_says(bad: Endpoint) -> None:
    now = 0.0
    provider = bad.behave(requests_per_minute=1)
    async with Gateway([Model("a", provider)], now=lambda: now) as gateway:
        await gateway.complete(ASK, model="a")
        with pytest.raises(NoModel, match="the limit of 1 requests a minute") as refused:
            await gateway.complete(ASK, model="a", deadline="5s")
        assert 50 < (refused.value.retry_after_s or 0) <= 60
        asked = bad.counts()["asked"]
        with pytest.raises(NoModel, match=r"leave room in (60|5\d(\.\d)?) s"):
            await gateway.complete(ASK, model="a", deadline="5s")
        assert "left alone" in (gateway.trouble() or "")
        assert bad.counts()["asked"] == asked
        now = 61.0
        bad.behave()
        assert (await gateway.complete(ASK, model="a")).text
        assert gateway.trouble() is None


async def test_a_wrong_key_is_told_and_not_shown_and_another_provider_answers(bad: Endpoint, good: Endpoint) -> None:
    one = Model("a", bad.behave(key="sk-right"), fallbacks=("b",))
    async with Gateway([one, Model("b", good.provider)]) as gateway:
        answer = await gateway.complete(ASK, model="a")
        assert answer.model == "b"
        assert gateway.trouble() == answer.tried[0] == "a: 401 incorrect API key provided"
        bad.behave(key="sk-secret")
        assert (await gateway.complete(ASK, model="a")).model == "a"
        assert gateway.trouble() is None
    assert "sk-secret" not in answer.tried[0]


async def test_who_stops_reading_ends_the_providers_stream_at_once_and_its_tokens_are_counted(bad: Endpoint) -> None:
    provider = bad.behave(endless=1.0, tokens_per_s=1_000)
    async with Gateway([Model("a", provider, tokens_per_minute=10_000)]) as gateway:
        async with aclosing(gateway.stream(ASK, model="a")) as said:
            pieces = [await anext(said) for _ in range(3)]
        counted = gateway.statistics().models["a"]
        left = await bad.counts_when(left=1, under_way=0)

    assert len(pieces) == 3
    assert (left["left"], left["under_way"]) == (1, 0)
    assert (counted.abandoned, counted.failed, counted.under_way) == (1, 0, 0)
    assert (counted.prompt_tokens, counted.completion_tokens) == (10, 3)


async def test_a_task_that_is_cancelled_leaves_no_stream_and_no_place_taken(bad: Endpoint) -> None:
    provider = bad.behave(paused=1.0)
    async with Gateway([Model("a", provider, at_once=1)]) as gateway:
        task = asyncio.ensure_future(gateway.complete(ASK, model="a"))
        waiting = asyncio.ensure_future(gateway.complete(ASK, model="a"))
        await bad.counts_when(under_way=1)
        assert gateway.statistics().models["a"].waiting == 1
        for one in (waiting, task):
            one.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)
        counted = gateway.statistics().models["a"]
        bad.behave()
        assert (await gateway.complete(ASK, model="a")).text

    assert (counted.under_way, counted.waiting, counted.abandoned) == (0, 0, 1)


async def test_no_more_than_the_limits_reach_a_provider_and_a_full_queue_refuses_at_once(bad: Endpoint) -> None:
    one = Model("a", bad.behave(first_s=0.01), at_once=3, queue_most=5)
    async with Gateway([one]) as gateway:
        answers = await asyncio.gather(*(gateway.complete(ASK, model="a") for _ in range(12)), return_exceptions=True)
    refused = [str(answer) for answer in answers if not isinstance(answer, Completion)]
    assert len(refused) == 4
    assert all("5 calls wait already" in one for one in refused)
    assert bad.counts()["at_once_most"] == 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "the connection was closed"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "headers of more than 65,536 bytes"),
        (chunked(WORD % b"a")[:-12], "the answer broke off"),
        (chunked(WORD % b"a", end=False), "the answer broke off"),
        (chunked(WORD % b"a"), "the answer broke off"),
        (chunked(b"data: " + b"x" * (1024 * 1024 + 1)), "its answer does not end"),
        (chunked(b'data: {"error":{"message":"overloaded","code":529}}\n\n'), "overloaded"),
        (chunked(b'data: {"choices":[{"delta":{"content":7}}]}\n\n'), "cannot be read"),
        (chunked(b"data: []\n\n"), "cannot be read"),
        (chunked(b"data: null\n\n"), "cannot be read"),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\n\xff\xfeno room", "503 .*no room"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_no_answer_says_so(answer: bytes, reason: str) -> None:
    async with answering([answer]) as (provider, _), Gateway([Model("a", provider)]) as gateway:
        with pytest.raises(NoModel, match=f"a: .*(?:{reason})"):
            await gateway.complete(ASK, model="a", deadline="5s")


@pytest.mark.parametrize(
    "answer",
    [
        chunked(*(bytes([byte]) for byte in WORD % "é".encode() + WORD % b" b" + END)),
        chunked((b": wait\r\n\r\nevent: x\r\n" + WORD % "é".encode() + WORD % b" b" + END).replace(b"\n\n", b"\r\n\r\n")),
        b"HTTP/1.1 200 OK\r\n\r\n" + WORD % "é".encode() + WORD % b" b" + END,
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + chunked(WORD % "é".encode() + WORD % b" b" + END),
        chunked(WORD % "é b".encode() + END.partition(b"data: [")[0]),
        WHOLE,
    ],
    ids=["byte by byte", "CRLF and comments", "until it closes", "early hints", "no DONE", "not streamed"],
)  # fmt: skip
async def test_every_form_of_an_answer_is_read(answer: bytes) -> None:
    async with answering([answer]) as (provider, _), Gateway([Model("a", provider)]) as gateway:
        said = await gateway.complete(ASK, model="a", deadline="5s")
    assert (said.text, said.usage.estimated) == ("é b", True)


async def test_a_kept_connection_that_has_ended_is_asked_again_on_a_fresh_one() -> None:
    answer = chunked(WORD % b"a" + END)
    async with answering([answer, b"", answer]) as (provider, asked), Gateway([Model("a", provider)]) as gateway:
        assert (await gateway.complete(ASK, model="a")).text == "a"
        # The first connection is closed by now or will be: either way a fresh one answers.
        with pytest.raises(NoModel, match="closed"):
            await gateway.complete(ASK, model="a", deadline="5s")
        assert (await gateway.complete(ASK, model="a")).text == "a"
    assert len(asked) == 3


def test_it_works_on_uvloop(bad: Endpoint) -> None:
    async def ask() -> Completion:
        async with Gateway([Model("a", bad.provider)]) as gateway:
            return await gateway.complete(ASK, model="a")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(ask()).text.split()) == 20


async def test_calls_after_each_other_use_one_connection(bad: Endpoint) -> None:
    answer = chunked(WORD % b"a" + END)
    async with answering([answer, answer, b""], keeps=True) as (provider, asked):
        async with Gateway([Model("a", provider)]) as gateway:
            for _ in range(2):
                assert (await gateway.complete(ASK, model="a")).text == "a"
            kept = gateway._connections["raw"]._idle
            assert len(kept) == 1
        assert kept == []
    assert len(asked) == 2


def test_what_cannot_be_sent_is_refused_before_anything_is_asked() -> None:
    from scaleworthy.errors import InvalidInput

    with pytest.raises(InvalidInput, match="authorization: characters that a header cannot hold") as refused:
        Provider("p", "http://127.0.0.1/v1", key="sk\r\nx: y")
    assert "sk" not in str(refused.value)
    with pytest.raises(InvalidInput, match=r"url: .*got 'ftp://x'"):
        Provider("p", "ftp://x")
    with pytest.raises(InvalidInput, match="3 problems"):
        Model("a", Provider("p", "http://x/v1"), requests_per_minute=0, at_once=0, timeout_s=0)


def test_a_window_gives_back_after_a_minute_and_not_before_in_few_slots() -> None:
    now = 0.0
    window = Window(1_000, now=lambda: now)
    for number in range(1_000):
        now = number / 1_000
        window.take(1)
    assert len(window._slots) <= 11
    # What was drawn at 0.05 s is in no minute with what is drawn at 60.04 s.
    for at, is_free in ((59.99, False), (60.04, False), (60.2, True)):
        now = at
        assert (window.wait_s(1) <= 0) is is_free, at
    window.take(1)
    assert window.wait_s(2_000) == pytest.approx(120.1, abs=0.01)


async def test_an_answer_may_take_longer_than_it_may_be_silent(bad: Endpoint) -> None:
    provider = bad.behave(tokens=120, tokens_per_s=100)
    async with Gateway([Model("a", provider, timeout_s=1.0)]) as gateway:
        answer = await gateway.complete(ASK, model="a")
    assert len(answer.text.split()) == 120
    assert answer.took_s > 1.0


TIMES = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 10)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(TIMES, st.integers(10, 40))
def test_in_no_minute_more_is_drawn_than_the_limit(steps: list[tuple[float, int]], most: int) -> None:
    now = 0.0
    window = Window(most, now=lambda: now)
    drawn: list[tuple[float, int]] = []
    for step, amount in steps:
        now += step
        if window.wait_s(amount) <= 0:
            window.take(amount)
            drawn.append((now, amount))
        else:
            # It says for how long, and then it can be.
            now += window.wait_s(amount)
            assert window.wait_s(amount) <= 1e-6
    for began, _ in drawn:
        assert sum(amount for at, amount in drawn if began <= at < began + 60) <= most


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 10)), max_size=30), st.sampled_from([Window, Bucket]))
def test_a_clock_that_jumps_makes_nobody_wait_for_more_than_a_minute(
    jumps: list[tuple[float, int]], kind: type[Window | Bucket]
) -> None:
    now = 0.0
    minute = kind(10, now=lambda: now)
    for jump, amount in jumps:
        now += jump
        if minute.wait_s(amount) <= 0:
            minute.take(amount)
        assert minute.wait_s(amount) <= 60.2


async def test_a_clock_that_goes_back_does_not_leave_a_provider_alone_for_longer() -> None:
    now = 1_000.0
    budget = Budget("a", requests_per_minute=None, tokens_per_minute=None, now=lambda: now)
    budget.block(5.0)
    now = 10.0
    assert budget.blocked_s == 5.0
    with pytest.raises(OverBudget, match="leave room in 5 s"):
        await budget.take(1, within_s=1)


async def test_who_gives_up_waiting_lets_those_behind_pass() -> None:
    now = 0.0
    budget = Budget("a", requests_per_minute=None, tokens_per_minute=100, now=lambda: now)
    turn = await budget.take(90, within_s=0)
    large = asyncio.ensure_future(budget.take(50, within_s=90))
    small = asyncio.ensure_future(budget.take(5, within_s=90))
    await asyncio.sleep(0)
    assert budget.waiting == 2
    large.cancel()
    await asyncio.gather(large, return_exceptions=True)
    await asyncio.sleep(0)
    assert small.done(), "at once, and not when the one before would have passed"
    assert small.result().tokens == 5
    assert budget.waiting == 0
    turn.settle(90)
    assert budget.under_way == 1
