"""A deadline ends what it was set for, alone and in time, whoever shares its timer."""

from __future__ import annotations

import asyncio

import pytest

from runtime.http.asking import App, ask
from scaleworthy.runtime.http import Deadline
from scaleworthy.runtime.http.timer import Line, Timer
from waiting import until


async def test_everyone_whose_time_is_over_is_told_so_whoever_left_before() -> None:
    app, deadline = App(), Deadline(most="5ms")
    timed = deadline.wrap(app)
    for _ in range(2):
        app.gate.set()
        assert [(await ask(timed)).status for _ in range(3)] == [200] * 3
        app.gate.clear()
        told = await asyncio.gather(*(ask(timed) for _ in range(3)))
        assert [one.status for one in told] == [504] * 3
    assert deadline.passed == 6


def test_a_second_event_loop_has_a_timer_of_its_own() -> None:
    app = App()
    timed = Deadline(most="50ms").wrap(app)

    async def hang() -> int:
        app.gate = asyncio.Event()
        return (await ask(timed)).status

    assert asyncio.run(ask(timed)).status == 200, "the first loop ends with its timer still set"
    assert asyncio.run(hang()) == 504


async def test_a_client_that_goes_is_no_deadline_that_passed() -> None:
    app, deadline = App(), Deadline(most="1h")
    app.gate.clear()
    asked = asyncio.create_task(ask(deadline.wrap(app)))
    await app.entered.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert deadline.passed == 0


async def test_a_cancellation_beside_the_timers_own_goes_on() -> None:
    async def ended(*, cancelled: bool) -> int:
        task = asyncio.current_task()
        assert task is not None
        with Timer(task) as timer:
            timer.end()
            if cancelled:
                task.cancel()
            await asyncio.Event().wait()
        return task.cancelling()

    assert await asyncio.create_task(ended(cancelled=False)) == 0
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(ended(cancelled=True))


async def test_who_swallows_its_cancellation_is_not_cancelled_ever_after() -> None:
    async def swallowing() -> int:
        task = asyncio.current_task()
        assert task is not None
        with Timer(task) as timer:
            timer.end()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.Event().wait()
        await asyncio.sleep(0)
        return task.cancelling()

    assert await asyncio.create_task(swallowing()) == 0


async def test_an_error_of_what_was_ended_is_not_hidden() -> None:
    async def failing() -> None:
        task = asyncio.current_task()
        assert task is not None
        with Timer(task) as timer:
            timer.end()
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("while it cleaned up")

    with pytest.raises(ValueError, match="cleaned up"):
        await asyncio.create_task(failing())


async def test_a_line_keeps_nobody_who_has_left() -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    line = Line(loop, 0.001)
    with Timer(task) as timer:
        line.join(timer)
        timer.let_go()
        assert not line._due
        await until(lambda: not line._looks, "the line has looked, and has nobody to wait for")
    assert not timer.is_over
