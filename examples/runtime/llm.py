"""Ask language models through one gateway: a stream, a provider that fails, a council, and the bill.

Two local endpoints play the providers; one of them fails every call. With your own: change the URLs, the keys and the names.

    python examples/runtime/llm.py
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import date

from scaleworthy.runtime.llm import Completion, Council, Gateway, Model, Opinion, Price, Prices, Provider, convene
from scaleworthy.switchboard.llm_process import LlmProcess
from scaleworthy.switchboard.llm_settings import LlmSettings

QUESTION = [{"role": "user", "content": "Shall we call the customer back?"}]
PRICES = Prices({"large": Price(2.0, 8.0), "small": Price(0.2, 0.8)}, as_of=date(2026, 11, 1))


async def ask(failing: str, working: str) -> None:
    """Ask the providers at these addresses."""
    one, other = Provider("one", failing), Provider("other", working, key="sk-example")
    models = [
        Model("large", one, requests_per_minute=60, fallbacks=("small",)),
        Model("small", other, tokens_per_minute=100_000),
        Model("second", other, called="small"),
    ]
    async with Gateway(models, prices=PRICES) as gateway:
        print("stream: ", end="")
        # aclosing: should we stop reading, the provider's stream ends at once.
        async with aclosing(gateway.stream(QUESTION, model="large", deadline="10s", max_tokens=12)) as said:
            async for piece in said:
                if isinstance(piece, Completion):
                    print(
                        f"\n  by {piece.model}, first text after {piece.first_s * 1e3:.0f} ms; tried: {piece.tried[0]}"
                    )
                else:
                    print(piece, end="")

        answers = [await gateway.complete(QUESTION, model="small", temperature=0, max_tokens=5) for _ in range(2)]
        print(
            f"asked twice: kept from the first {answers[1].cached}, cost {answers[0].cost_usd:.7f} and {answers[1].cost_usd} USD"
        )

        async for part in convene(gateway, QUESTION, members=["small", "second"], chair="small", max_tokens=8):
            if isinstance(part, Opinion):
                print(f"opinion of {part.member}: {part.answer.text if part.answer else part.reason}")
            elif isinstance(part, Council):
                print(f"council: {part.answer.text}; {part.tokens} tokens, {part.cost_usd:.7f} USD")

        for name, counts in gateway.statistics().models.items():
            print(
                f"{name}: {counts.answered} answered, {counts.failed} failed, {counts.completion_tokens} tokens written"
            )


def main() -> None:
    """Start two endpoints and ask them."""
    with LlmProcess.start(LlmSettings(failed=1.0)) as failing, LlmProcess.start(LlmSettings(first_s=0.02)) as working:
        asyncio.run(ask(failing.url, working.url))


if __name__ == "__main__":
    main()
