"""A server that failed is left alone for a while, asked by one, and everybody goes on without it meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from scaleworthy.runtime.guard import Guard


class Server:
    """What is asked: says how often it was, and fails while it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = True
        self.now = 100.0
        self.guard = Guard("it", budget_s=5.0, now=lambda: self.now)

    async def answer(self) -> str:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise OSError("gone")
        return "yes"

    async def ask(self) -> str:
        return await self.guard.ask(self.answer, "no")


async def test_each_further_failure_doubles_the_pause_and_one_success_ends_it() -> None:
    server = Server()
    for number, pause_s in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0), 1):
        assert await server.ask() == "no"
        server.now += pause_s - 0.001
        assert await server.ask() == "no"
        assert server.asked == number
        server.now += 0.002
    assert server.guard.trouble == "it: gone"
    server.fails = False
    assert [await server.ask() for _ in range(3)] == ["yes"] * 3
    assert server.guard.trouble is None


async def test_what_fails_at_once_counts_as_one_failure() -> None:
    server = Server()
    assert await asyncio.gather(*(server.ask() for _ in range(50))) == ["no"] * 50
    server.now += 0.5
    server.fails = False
    assert await server.ask() == "yes"


async def test_after_a_pause_one_asks_while_the_others_go_on_without() -> None:
    server = Server()
    await server.ask()
    server.now += 0.5
    await asyncio.gather(*(server.ask() for _ in range(10)))
    assert server.asked == 2


async def test_who_wants_to_know_asks_in_the_pause_too() -> None:
    server = Server()
    await server.ask()
    server.fails = False
    assert await server.guard.try_now(server.answer, "no") == "yes"
    assert await server.ask() == "yes"


async def test_a_clock_that_goes_back_does_not_prolong_the_pause() -> None:
    server = Server()
    await server.ask()
    server.now -= 3600
    server.fails = False
    assert await server.ask() == "yes"


async def test_what_takes_longer_than_its_budget_has_failed() -> None:
    guard = Guard("it", budget_s=0.001)
    assert await guard.ask(asyncio.Event().wait, otherwise=False) is False
    assert guard.trouble == "it: no answer within 1 ms"


async def test_what_does_not_heed_its_cancellation_is_cancelled_again() -> None:
    async def stubborn() -> None:
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        await asyncio.Event().wait()

    guard = Guard("it", budget_s=0.001)
    assert await guard.ask(stubborn, "no") == "no"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_who_is_cancelled_from_without_is_cancelled() -> None:
    guard = Guard("it", budget_s=5.0)
    asking = asyncio.create_task(guard.ask(asyncio.Event().wait, otherwise=False))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert guard.trouble is None
