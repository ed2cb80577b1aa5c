"""The council as a load sees it, over sockets: tokens that all agree on, and streams that end with their reader."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from scaleworthy.load import Plan, start
from scaleworthy.series import MemoryStore
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.llm_process import LlmProcess
from scaleworthy.switchboard.llm_settings import LlmSettings
from scaleworthy.switchboard.service import Switchboard

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


def test_a_reader_that_leaves_ends_every_models_stream(running: Switchboard, endpoint: LlmProcess) -> None:
    control = endpoint.url.replace("/v1", "")
    httpx.put(f"{control}/settings", json={"endless": 1.0, "tokens_per_s": 100}).raise_for_status()
    asked = {"question": "Go on", "stream": True, "members": ["switchboard-a", "switchboard-b"]}
    with httpx.Client() as client:
        # No opinion ever comes: the client gives up.
        with pytest.raises(httpx.ReadTimeout):
            client.post(f"{running.url}/api/v1/council", json=asked, timeout=0.3)
        for _ in range(500):
            told = client.get(f"{control}/counts").json()
            if told["left"] == 2 and told["under_way"] == 0:
                break
        client.put(f"{control}/settings", json={"endless": 0.0}).raise_for_status()
        assert client.post(f"{running.url}/api/v1/council", json={"question": "Again"}).status_code == 200

    assert (told["asked"], told["left"], told["under_way"]) == (2, 2, 0)
