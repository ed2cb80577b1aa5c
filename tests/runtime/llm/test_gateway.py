"""Calls are answered within limits and deadlines, by whoever can; what they cost is known."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from runtime.llm.site import model, serving
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.runtime.cache import Cache
from scaleworthy.runtime.llm import (
    CallFailed,
    Completion,
    Council,
    Gateway,
    NoModel,
    Opinion,
    Price,
    Prices,
    TooFewOpinions,
    Usage,
    convene,
)
from scaleworthy.runtime.llm.budget import Budget, OverBudget
from scaleworthy.series import Histogram
from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.llm_words import answer_to

ASK = [{"role": "user", "content": "What was the call about?"}]
PRICES = Prices({"a": Price(2.0, 10.0)}, as_of=date(2026, 1, 1))


def words(count: int = 40) -> str:
    return " ".join(answer_to([ASK[0]["content"]], count))


async def test_an_answer_has_its_text_usage_and_cost() -> None:
    with serving() as (provider, llm):
        async with Gateway([model("a", provider)], prices=PRICES) as gateway:
            answer = await gateway.complete(ASK, model="a", max_tokens=10)
    assert (answer.text, answer.model, answer.cached, answer.tried) == (words(10), "a", False, ())
    assert answer.usage == Usage(10, 10)
    assert answer.cost_usd == pytest.approx((10 * 2 + 10 * 10) / 1e6)
    assert gateway.statistics().models["a"].completion_tokens == 10
    assert llm.counts.asked == 1


async def test_a_stream_gives_text_as_it_comes_and_the_whole_at_last() -> None:
    with serving(tokens=5) as (provider, _):
        async with Gateway([model("a", provider)]) as gateway:
            said = [piece async for piece in gateway.stream(ASK, model="a")]
    assert "".join(piece for piece in said if isinstance(piece, str)) == words(5)
    assert len(said) == 6
    assert isinstance(said[-1], Completion)
    assert said[-1].cost_usd is None, "a model without a price costs nobody knows what"


@pytest.mark.parametrize("trouble", [{"failed": 1.0}, {"broken": 1.0, "tokens": 1}, {"requests_per_minute": 1}])
async def test_another_model_answers_where_one_cannot(trouble: dict[str, object]) -> None:
    with serving(**trouble) as (bad, llm), serving() as (good, _):
        async with Gateway([model("a", bad, fallbacks=("b",)), model("b", good)]) as gateway:
            answers = [await gateway.complete(ASK, model="a") for _ in range(2)]
    assert answers[1].model == "b"
    assert answers[1].text == words()
    assert answers[1].tried
    assert llm.counts.asked >= 1


async def test_a_model_that_never_answers_is_left_within_its_time() -> None:
    with serving(stalled=1.0) as (bad, _), serving() as (good, _):
        async with Gateway([model("a", bad, timeout_s=0.05, fallbacks=("b",)), model("b", good)]) as gateway:
            answer = await gateway.complete(ASK, model="a")
    assert (answer.model, answer.tried) == ("b", ("a: nothing came for 0.05 s",))


async def test_a_break_after_the_first_text_is_an_error() -> None:
    with serving(broken=1.0) as (bad, _), serving() as (good, _):
        async with Gateway([model("a", bad, fallbacks=("b",)), model("b", good)]) as gateway:
            with pytest.raises(CallFailed, match="broke off"):
                async for _ in gateway.stream(ASK, model="a"):
                    pass


async def test_a_wrong_request_is_wrong_everywhere() -> None:
    with serving(models=("b",)) as (provider, _):
        async with Gateway([model("a", provider, fallbacks=("b",)), model("b", provider)]) as gateway:
            with pytest.raises(CallFailed, match="a: 404 there is no model 'a'"):
                await gateway.complete(ASK, model="a")


async def test_nobody_can_says_of_each_why() -> None:
    with serving(failed=1.0) as (bad, _):
        async with Gateway([model("a", bad, fallbacks=("b",)), model("b", bad)]) as gateway:
            with pytest.raises(NoModel, match=r"a: 500 something went wrong; b: 500"):
                await gateway.complete(ASK, model="a")


async def test_a_provider_that_fails_is_left_alone_for_a_while() -> None:
    with serving(failed=1.0) as (bad, llm), serving() as (good, _):
        # The clock stands still: else the breaker would ask again after a while.
        async with Gateway([model("a", bad, fallbacks=("b",)), model("b", good)], now=lambda: 0.0) as gateway:
            for _ in range(40):
                assert (await gateway.complete(ASK, model="a")).model == "b"
            assert bad.name in (gateway.trouble() or "")
    assert llm.counts.asked == 20


async def test_the_provider_is_not_asked_more_than_its_limits_allow() -> None:
    with serving(requests_per_minute=10) as (provider, llm):
        async with Gateway([model("a", provider, requests_per_minute=10)]) as gateway:
            answers = await asyncio.gather(
                *(gateway.complete(ASK, model="a", deadline="20s") for _ in range(30)), return_exceptions=True
            )
    answered = [answer for answer in answers if isinstance(answer, Completion)]
    assert len(answered) == 10
    assert llm.counts.refused == 0, "the queue is ours, not the provider's"
    assert all(isinstance(answer, NoModel) for answer in answers if not isinstance(answer, Completion))


async def test_the_same_question_is_asked_once() -> None:
    with serving() as (provider, llm):
        async with Cache() as cache, Gateway([model("a", provider)], cache=cache, prices=PRICES) as gateway:
            first = await gateway.complete(ASK, model="a", temperature=0)
            again = await gateway.complete(ASK, model="a", temperature=0)
            await gateway.complete(ASK, model="a", temperature=1)
    assert (first.cached, again.cached, again.text, again.cost_usd) == (False, True, first.text, 0.0)
    assert llm.counts.asked == 2
    assert gateway.statistics().cached == 1


async def test_who_waits_for_anothers_call_does_not_fail_by_its_deadline() -> None:
    with serving(first_s=0.2) as (provider, _):
        async with Gateway([model("a", provider)]) as gateway:
            hasty, patient = await asyncio.gather(
                gateway.complete(ASK, model="a", temperature=0, deadline="50ms"),
                gateway.complete(ASK, model="a", temperature=0, deadline="20s"),
                return_exceptions=True,
            )
    assert isinstance(hasty, NoModel)
    assert isinstance(patient, Completion)


async def test_a_streamed_answer_is_kept_too() -> None:
    with serving(tokens=5) as (provider, llm):
        async with Gateway([model("a", provider)]) as gateway:
            first = [piece async for piece in gateway.stream(ASK, model="a", temperature=0)]
            again = [piece async for piece in gateway.stream(ASK, model="a", temperature=0)]
    assert again[0] == words(5) == "".join(piece for piece in first if isinstance(piece, str))
    assert isinstance(again[1], Completion)
    assert (again[1].cached, llm.counts.asked) == (True, 1)


async def test_a_chair_that_cannot_answer_is_replaced_and_that_is_said() -> None:
    with serving(tokens=5) as (good, _), serving(failed=1.0) as (bad, _):
        async with Gateway([model("a", good), model("b", good), model("chair", bad)]) as gateway:
            said = [piece async for piece in convene(gateway, ASK, members=["a", "b"], chair="chair")]
    council = said[-1]
    assert isinstance(council, Council)
    assert council.answer.text == said[-2] == words(5)
    assert "500 something went wrong" in (council.degraded or "")
    assert council.tokens == 2 * 15, "the answer is an opinion, and is paid for once"


async def test_what_is_asked_is_recorded() -> None:
    meter = Meter()
    with serving(tokens=5) as (provider, _):
        async with Gateway([model("a", provider)], prices=PRICES, meter=meter) as gateway:
            await gateway.complete(ASK, model="a")
    told = {(key.name, dict(key.labels).get("direction", "")): value for key, value in meter.slices()}
    assert (told["runtime.llm.tokens", "prompt"], told["runtime.llm.tokens", "completion"]) == (10.0, 5.0)
    assert told["runtime.llm.cost", ""] == pytest.approx((10 * 2 + 5 * 10) / 1e6)
    assert isinstance(told["runtime.llm.first", ""], Histogram)
    assert told["runtime.llm.first", ""].count == 1


async def test_a_council_makes_one_answer_of_several() -> None:
    with serving(tokens=5) as (good, _), serving(failed=1.0) as (bad, _):
        models = [model("a", good), model("b", good), model("c", bad)]
        async with Gateway(models) as gateway:
            said = [piece async for piece in convene(gateway, ASK, members=["a", "b", "c"], chair="a")]
            with pytest.raises(TooFewOpinions, match="2 of 3 members answered, 3 are needed: c: no model"):
                async for _ in convene(gateway, ASK, members=["a", "b", "c"], chair="a", quorum=3):
                    pass
    opinions = [piece for piece in said if isinstance(piece, Opinion)]
    assert sorted(opinion.member for opinion in opinions) == ["a", "b", "c"]
    assert [opinion.member for opinion in opinions if opinion.answer is None] == ["c"]
    council = said[-1]
    assert isinstance(council, Council)
    assert council.answer.text == "".join(piece for piece in said if isinstance(piece, str))


def test_what_cannot_be_is_said() -> None:
    with serving() as (provider, _), pytest.raises(InvalidInput, match="no model 'z' to fall back to"):
        Gateway([model("a", provider, fallbacks=("z",))])
    assert "sk-test" not in repr(provider)


async def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with serving() as (provider, _):
        async with Gateway([model("a", provider)]) as gateway:
            with pytest.raises(UsageError, match="no model 'z'; there are a"):
                await gateway.complete(ASK, model="z")


async def test_turns_come_in_the_order_of_asking_and_tokens_are_set_right() -> None:
    now = 0.0
    budget = Budget("a", requests_per_minute=None, tokens_per_minute=600, refill="steady", now=lambda: now)
    first = await budget.take(600, within_s=0)
    with pytest.raises(OverBudget, match="leave room in 10 s, and the deadline is sooner"):
        await budget.take(100, within_s=5)
    order: list[str] = []

    async def wait(name: str, tokens: float) -> None:
        await budget.take(tokens, within_s=60)
        order.append(name)

    waiting = [asyncio.create_task(wait("large", 300)), asyncio.create_task(wait("small", 10))]
    await asyncio.sleep(0)
    assert budget.waiting == 2
    first.settle(290)
    await asyncio.gather(*waiting)
    assert order == ["large", "small"]
    with pytest.raises(OverBudget, match="needs some 601 tokens, and a minute has 600"):
        await budget.take(601, within_s=1e9)


def test_the_prices_that_came_with_it_can_be_read() -> None:
    prices = Prices.read()
    assert prices.as_of
    assert prices.of("gpt-4o", Usage(1_000_000, 0)) == 2.5
    assert prices.of("nobody", Usage(1, 1)) is None
    for name in ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"):
        assert (prices.price(name) or Price(0, 0)).source.startswith("https://developers.openai.com/api/docs/pricing")
    for name in ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5"):
        assert "platform.claude.com/docs/en/about-claude/pricing" in (prices.price(name) or Price(0, 0)).source
    assert len(prices.sources) == 2


def test_each_price_is_from_somewhere_and_of_a_day(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    own = 'b = {input = 1, output = 2, source = "ours", as_of = 2026-03-01}\n'
    path.write_text(f'as_of = 2026-02-01\nsources = ["x", "y"]\n[models]\na = {{input = 1, output = 2}}\n{own}')
    prices = Prices.read(path)
    assert prices.price("a") == Price(1.0, 2.0, source="x; y", as_of=date(2026, 2, 1))
    assert prices.price("b") == Price(1.0, 2.0, source="ours", as_of=date(2026, 3, 1))
    assert (prices.as_of, prices.sources) == (date(2026, 2, 1), ("x; y", "ours"))
    path.write_text(f"[models]\n{own}")
    assert Prices.read(path).sources == ("ours",), "the file need not say what each price says"
    path.write_text(f"[models]\na = {{input = 1, output = 2}}\n{own}")
    with pytest.raises(InvalidInput) as refused:
        Prices.read(path)
    assert [one.partition(":")[0] for one in refused.value.problems] == ["as_of", "sources"]


@pytest.mark.parametrize("missing", ["orjson", "httptools"])
def test_what_is_not_installed_is_named_with_what_to_do(missing: str) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
from scaleworthy.errors import MissingExtra
try:
    from scaleworthy.runtime.llm import Gateway, Model, Provider
    Gateway([Model("a", Provider("p", "http://127.0.0.1:1/v1"))])
except MissingExtra as error:
    print(error.hint)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "pip install 'scaleworthy[llm]'"


def test_a_price_file_says_everything_that_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        'as_of = "2025"\n[models]\na = {input = -1, output = 2}\nb = {input = 1}\nc = {input = 1, output = 2}\n'
    )
    with pytest.raises(InvalidInput) as refused:
        Prices.read(path)
    assert [one.partition(":")[0] for one in refused.value.problems] == ["models.'a'", "models.'b'", "as_of", "sources"]
    with pytest.raises(InvalidInput, match="No such file"):
        Prices.read(tmp_path / "none.toml")


def test_prompts_that_the_provider_had_seen_cost_less() -> None:
    prices = Prices({"a": Price(2.0, 8.0, cached=0.5), "b": Price(2.0, 8.0)}, as_of=date(2026, 1, 1))
    used = Usage(1_000_000, 500_000, cached=400_000)
    assert prices.of("a", used) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.5 * 8)
    assert prices.of("b", used) == pytest.approx(2 + 0.5 * 8)
