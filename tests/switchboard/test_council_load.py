"""The council as a load sees it, over sockets: tokens that all agree on, and streams that end with their reader."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from scaleworthy.load import Plan, start
from scaleworthy.series import MemoryStore
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.llm_process import LlmProcess
from scaleworthy.switchboard.llm_settings import LlmSettings
from scaleworthy.switchboard.service import Switchboard
from waiting import until

from .running import fill
from .test_council import counts

TOKENS, COUNCILS = 15, 6


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LlmProcess]:
    with LlmProcess.start(LlmSettings(first_s=0.01, tokens_per_s=2_000, tokens=TOKENS)) as started:
        yield started


@pytest.fixture(scope="module")
def running(postgres: Postgres, valkey: Valkey, endpoint: LlmProcess) -> Iterator[Switchboard]:
    own = fill(postgres, "for_councils", sets=("tuned",))
    with Switchboard.start(shape="tuned", database=own.owner, cache=valkey.url, llm=endpoint.url) as switchboard:
        yield switchboard


def test_load_and_models_agree_on_how_many_tokens_were_said(running: Switchboard, endpoint: LlmProcess) -> None:
    step = {
        "post": "/api/v1/council",
        "name": "council",
        "json": {"question": "Shall we call {{ $n }}?", "stream": True},
        "stream": "llm",
    }
    plan = Plan.model_validate(
        {
            "target": running.url,
            "scenarios": [{"name": "ask", "steps": [step]}],
            "load": {"users": 2, "count": COUNCILS},
            "seed": 1,
        }
    )
    before = counts(endpoint)["tokens"]
    with MemoryStore(run={}) as store:
        summary = start(plan, store).wait()
        told = store.by_label("load.stream.tokens", "direction")
        first = store.histogram("load.stream.ttft")
        whole = store.histogram("load.stream.total")

    assert (summary.answered, summary.failed) == (COUNCILS, 0)
    # Three members and the chair write as much; only the chair's answer is streamed on.
    assert counts(endpoint)["tokens"] - before == 4 * TOKENS * COUNCILS
    assert told["output"] == TOKENS * COUNCILS
    assert first.count == COUNCILS
    # Members first, then the chair's first token, then the rest of its answer.
    assert 20e6 < first.quantile(0.5) < whole.quantile(0.5)


async def test_a_reader_that_leaves_ends_every_models_stream(running: Switchboard, endpoint: LlmProcess) -> None:
    control = endpoint.url.replace("/v1", "")
    asked = {"question": "Go on", "stream": True, "members": ["switchboard-a", "switchboard-b"]}
    async with httpx.AsyncClient(timeout=20) as client:
        (await client.put(f"{control}/settings", json={"endless": 1.0, "tokens_per_s": 100})).raise_for_status()

        async def told(**wanted: int) -> dict[str, int] | None:
            said: dict[str, int] = (await client.get(f"{control}/counts")).json()
            return said if wanted.items() <= said.items() else None

        async with httpx.AsyncClient(timeout=20) as reader:
            # No opinion ever comes: the client gives up, once both models are at it.
            reading = asyncio.create_task(reader.post(f"{running.url}/api/v1/council", json=asked))
            await until(lambda: told(under_way=2), "both models answer")
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        ended = await until(lambda: told(left=2, under_way=0), "both streams are left")
        (await client.put(f"{control}/settings", json={"endless": 0.0})).raise_for_status()
        again = await client.post(f"{running.url}/api/v1/council", json={"question": "Again"})

    assert (ended["asked"], ended["left"], ended["under_way"]) == (2, 2, 0)
    assert again.status_code == 200
