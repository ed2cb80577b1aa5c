"""What does the LLM gateway cost: per streamed token, per call, until a fallback has answered? Does it hold its limits?

Tokens: 16 answers of 250 tokens at once from the local model endpoint in a process of its own, each token an event of its own, 500 a
second in each answer. CPU time of the client's process (uvloop for all), without its start: the gateway, with its budgets, breaker and
cost; httpx reading the same lines and parsing the same JSON; the openai client and litellm where they are installed (OPENAI_PYTHON and
LITELLM_PYTHON name the Python that has them). Calls: the same, for answers of one token, 8 at a time.
Limits: 1,500 callers at once of a model that may be asked 600 times a minute, on a clock on which a minute passes in a second: the most
that began in any minute, of the limit. aiolimiter beside it, told the same.
Fallback: from a provider that answers 500 to one that answers: what the whole call takes, in wall time, one after the other.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

MESSAGES = [{"role": "user", "content": "What was the call about?"}]
STREAMS, TOKENS, TOKENS_PER_S = 16, 250, 500.0
CALLS, AT_ONCE = 400, 8
PEERS = ("openai", "litellm")
Ask = Callable[[int], Awaitable[int]]


def client(kind: str, url: str) -> Ask:
    """Return what asks for an answer of so many tokens, streamed, and returns how many came."""
    body: dict[str, Any] = {"model": "a", "messages": MESSAGES, "stream": True}
    if kind == "gateway":
        from scaleworthy.runtime.llm import Gateway, Model, Provider

        gateway = Gateway([Model("a", Provider("local", url), requests_per_minute=10**6, tokens_per_minute=10**9)])

        async def ask(tokens: int) -> int:
            return sum([isinstance(one, str) async for one in gateway.stream(MESSAGES, model="a", max_tokens=tokens)])

    elif kind == "httpx":
        import httpx

        http = httpx.AsyncClient()

        async def ask(tokens: int) -> int:
            count = 0
            whole = body | {"max_tokens": tokens}
            async with http.stream("POST", f"{url}/chat/completions", json=whole, timeout=30) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data: {"):
                        choices = json.loads(line[6:])["choices"]
                        count += bool(choices and choices[0]["delta"].get("content"))
            return count

    elif kind == "openai":
        import openai  # type: ignore[import-not-found]

        opened = openai.AsyncOpenAI(base_url=url, api_key="none")

        async def ask(tokens: int) -> int:
            said = await opened.chat.completions.create(**body, max_tokens=tokens)
            return sum([bool(piece.choices and piece.choices[0].delta.content) async for piece in said])

    else:
        import litellm  # type: ignore[import-not-found]

        async def ask(tokens: int) -> int:
            called = body | {"model": "openai/a", "max_tokens": tokens}
            said = await litellm.acompletion(**called, api_base=url, api_key="none")
            return sum([bool(piece.choices and piece.choices[0].delta.content) async for piece in said])

    return ask


async def as_child(kind: str, url: str, what: str) -> None:
    """Ask, and print the CPU time of a token or a call, in µs."""
    ask = client(kind, url)
    await ask(2)
    began = time.process_time()
    if what == "tokens":
        came = sum(await asyncio.gather(*(ask(TOKENS) for _ in range(STREAMS))))
    else:
        came = 0
        for _ in range(CALLS // AT_ONCE):
            came += sum(await asyncio.gather(*(ask(1) for _ in range(AT_ONCE))))
    took = time.process_time() - began
    if came != (STREAMS * TOKENS if what == "tokens" else CALLS):
        raise RuntimeError(f"{kind}: {came} tokens came")
    print(json.dumps({"us": took / came * 1e6}))


def run_child(kind: str, url: str, what: str) -> float | None:
    """Return the CPU time of a token or call of *kind*, in µs; None: it is not installed."""
    python = os.environ.get(f"{kind.upper()}_PYTHON", sys.executable)
    if python == sys.executable and kind in PEERS and importlib.util.find_spec(kind) is None:
        return None
    command = [python, __file__, "--child", kind, url, what]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{kind}: {done.stderr.strip()[-500:]}")
    return float(json.loads(done.stdout.splitlines()[-1])["us"])


async def most_in_a_minute(take: Callable[[], Awaitable[object]], now: Callable[[], float]) -> int:
    """Return the most of 1,500 callers at once that passed within any 60 s of *now*."""
    at: list[float] = []

    async def one() -> None:
        await take()
        at.append(now())

    await asyncio.gather(*(one() for _ in range(1_500)))
    at.sort()
    begin = most = 0
    for end, when in enumerate(at):
        while at[begin] <= when - 60:
            begin += 1
        most = max(most, end - begin + 1)
    return most


async def limits() -> tuple[int, int]:
    """Return the most that passed in a minute through our budget, and through aiolimiter."""
    from aiolimiter import AsyncLimiter

    from scaleworthy.runtime.llm.budget import Budget

    def now() -> float:
        return time.monotonic() * 60

    budget = Budget("a", requests_per_minute=600, tokens_per_minute=None, waiting_most=2_000, now=now)
    loop = asyncio.get_running_loop()
    later = loop.call_later
    # The budget's own timers run on the same quick clock.
    loop.call_later = lambda delay, *more, **named: later(delay / 60, *more, **named)  # type: ignore[method-assign]
    try:
        ours = await most_in_a_minute(lambda: budget.take(1, within_s=10**6), now)
    finally:
        loop.call_later = later  # type: ignore[method-assign]
    limiter = AsyncLimiter(600, 1.0)
    return ours, await most_in_a_minute(limiter.acquire, now)


async def fallback(bad: str, good: str, calls: int) -> tuple[float, float]:
    """Return what a call takes that falls back, and one that need not, in ms: medians."""
    from scaleworthy.runtime.breaker import Breaker
    from scaleworthy.runtime.llm import Gateway, Model, Provider

    models = [Model("a", Provider("bad", bad), fallbacks=("b",)), Model("b", Provider("good", good))]
    took: dict[str, list[float]] = {"a": [], "b": []}
    # A breaker that never opens: the fallback itself is measured.
    async with Gateway(models, breaker=lambda name, counts: Breaker(name, counts=counts, least_calls=10**9)) as gateway:
        for number in range(2 * calls):
            name = "ab"[number % 2]
            began = time.perf_counter()
            answer = await gateway.complete(MESSAGES, model=name, max_tokens=1)
            took[name].append((time.perf_counter() - began) * 1e3)
            if answer.model != "b":
                raise RuntimeError("no fallback was needed")
    return statistics.median(took["a"]), statistics.median(took["b"])


def main() -> int:
    """Measure and print."""
    from rows import Row, arguments, row, show
    from scaleworthy.switchboard.llm_process import LlmProcess
    from scaleworthy.switchboard.llm_settings import LlmSettings

    options = arguments(__doc__).parse_args()
    repeats = 1 if options.quick else 3
    rows: list[Row] = []
    wanted = LlmSettings(first_s=0.02, tokens_per_s=TOKENS_PER_S, tokens=TOKENS)
    quick = LlmSettings(first_s=0.0, tokens_per_s=1e6)
    failing = LlmSettings(failed=1.0)
    with LlmProcess.start(wanted) as paced, LlmProcess.start(quick) as good, LlmProcess.start(failing) as bad:
        for what, url, unit in (("tokens", paced.url, "streamed token"), ("calls", good.url, "call of one token")):
            costs: dict[str, list[float]] = {}
            for _ in range(repeats):
                for kind in ("gateway", "httpx", *PEERS):
                    cost = run_child(kind, url, what)
                    if cost is not None:
                        costs.setdefault(kind, []).append(cost)
            rows += _rows(unit, costs, bar=3.0 if what == "tokens" else 1.5)
        fell, direct = asyncio.run(fallback(bad.url, good.url, 50 if options.quick else 300))
    rows.append(row("fallback after a 500, the whole call", "ms", fell, most=10.0, note=f"without one {direct:.2f} ms"))
    ours, aiolimiter = asyncio.run(limits())
    note = f"most in any minute: {ours} of 600; aiolimiter {aiolimiter}"
    rows.append(
        row(
            "limit held, most in a minute of the limit", "share", ours / 600, peer=aiolimiter / 600, most=1.0, note=note
        )
    )
    return show("llm", rows, options)


def _rows(unit: str, costs: dict[str, Sequence[float]], *, bar: float) -> list[Any]:
    from rows import row

    middle = {kind: statistics.median(each) for kind, each in costs.items()}
    ours = costs["gateway"]
    note = f"httpx; ours {min(ours):.1f}-{max(ours):.1f}, n={len(ours)}"
    rows = [row(f"CPU of a {unit}", "µs", middle["gateway"], peer=middle["httpx"], least_ratio=bar, note=note)]
    rows += [
        row(f"CPU of a {unit}, {kind} beside", "µs", middle["gateway"], peer=middle[kind], note=kind)
        for kind in PEERS
        if kind in middle
    ]
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        import uvloop

        uvloop.run(as_child(*sys.argv[2:5]))
        sys.exit(0)
    sys.exit(main())
