"""A breaker opens where calls fail or are slow, tries carefully, and closes when all is well."""

from __future__ import annotations

import asyncio

import pytest

from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.breaker import Breaker, BreakerOpen
from scaleworthy.series.meter import Meter


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def called(breaker: Breaker, clock: Clock, *, takes_s: float = 0.0, error: BaseException | None = None) -> str:
    """Make a call; return what became of it."""
    try:
        with breaker.call():
            clock.now += takes_s
            if error is not None:
                raise error
    except BreakerOpen:
        return "refused"
    except BaseException as raised:
        if raised is not error:
            raise
        return "failed"
    return "passed"


def made(**options: object) -> tuple[Breaker, Clock]:
    clock = Clock()
    arguments: dict[str, object] = {"least_calls": 4, "open_for": "5s", "probes": 2, "now": clock} | options
    return Breaker("crm", **arguments), clock  # type: ignore[arg-type]


def test_it_opens_at_its_share_of_failures_and_not_before() -> None:
    breaker, clock = made()
    error = ValueError("no")
    assert [called(breaker, clock, error=e) for e in (error, None, None, None, None, error)] == [
        "failed", "passed", "passed", "passed", "passed", "failed",
    ]  # fmt: skip
    assert breaker.state == "closed"
    assert [called(breaker, clock, error=error) for _ in range(3)] == ["failed", "failed", "refused"]
    assert breaker.trouble() == "crm: 4 of 8 calls failed"
    with pytest.raises(BreakerOpen, match=r"crm is not asked for another 5 s: 4 of 8 calls failed") as refused:
        breaker.admit()
    assert refused.value.retry_after_s == 5.0


def test_it_opens_where_calls_are_slow() -> None:
    breaker, clock = made(slow="1s", slow_share=0.75)
    assert [called(breaker, clock, takes_s=s) for s in (0.999, 1.0, 1.0, 1.0)] == ["passed"] * 4
    assert called(breaker, clock) == "refused"
    assert "3 of 4 calls took 1 s or longer" in (breaker.trouble() or "")


def test_what_lies_before_the_window_does_not_count() -> None:
    breaker, clock = made(window="10s")
    error = ValueError("no")
    for _ in range(3):
        called(breaker, clock, error=error)
    clock.now += 10
    assert [called(breaker, clock, error=error) for _ in range(3)] == ["failed"] * 3
    assert breaker.state == "closed"


def opened() -> tuple[Breaker, Clock]:
    breaker, clock = made()
    for _ in range(4):
        called(breaker, clock, error=ValueError("no"))
    assert breaker.state == "open"
    return breaker, clock


def test_it_closes_when_every_probe_was_good() -> None:
    breaker, clock = opened()
    clock.now += 5
    assert breaker.state == "half-open"
    first, second = breaker.call(), breaker.call()
    first.__enter__()
    second.__enter__()
    assert called(breaker, clock) == "refused", "only as many as probes"
    first.__exit__(None, None, None)
    assert breaker.state == "half-open"
    second.__exit__(None, None, None)
    assert (breaker.state, breaker.trouble()) == ("closed", None)


def test_a_bad_probe_opens_it_again_for_twice_as_long() -> None:
    breaker, clock = opened()
    for open_for in (5, 10, 20):
        clock.now += open_for - 0.001
        assert called(breaker, clock) == "refused"
        clock.now += 0.001
        assert called(breaker, clock, error=ValueError("no")) == "failed"
    clock.now += 40
    assert [called(breaker, clock), called(breaker, clock)] == ["passed", "passed"]
    for _ in range(4):
        called(breaker, clock, error=ValueError("no"))
    clock.now += 5
    assert called(breaker, clock) == "passed", "closed once, it opens for the first time again"


def test_a_call_from_before_says_nothing_about_whether_it_is_back() -> None:
    breaker, clock = made()
    old = breaker.call()
    old.__enter__()
    for _ in range(4):
        called(breaker, clock, error=ValueError("no"))
    clock.now += 5
    assert called(breaker, clock) == "passed"
    old.__exit__(ValueError, ValueError("no"), None)
    assert called(breaker, clock) == "passed"
    assert breaker.state == "closed"


def test_a_cancelled_probe_gives_its_place_to_another() -> None:
    breaker, clock = opened()
    clock.now += 5
    for _ in range(5):
        assert called(breaker, clock, error=asyncio.CancelledError()) == "failed"
    assert [called(breaker, clock), called(breaker, clock)] == ["passed", "passed"]
    assert breaker.state == "closed"


def test_probes_that_never_come_back_are_given_up() -> None:
    breaker, clock = opened()
    clock.now += 5
    for _ in range(2):
        breaker.call().__enter__()
    clock.now += 4.999
    assert called(breaker, clock) == "refused"
    clock.now += 0.001
    assert [called(breaker, clock), called(breaker, clock)] == ["passed", "passed"]
    assert breaker.state == "closed"


def test_what_leaves_the_window_is_taken_off_step_by_step() -> None:
    breaker, clock = made(window="10s", failed_share=0.6)
    for error in (ValueError("no"), None, None):
        called(breaker, clock, error=error)
        clock.now += 4
    # The failure of 12 s ago counts no more: 2 of 4 fail.
    assert [called(breaker, clock, error=error) for error in (ValueError("no"), ValueError("no"))] == ["failed"] * 2
    assert breaker.state == "closed"


def test_a_clients_own_mistake_is_no_failure() -> None:
    breaker, clock = made(counts=lambda error: not isinstance(error, KeyError))
    assert [called(breaker, clock, error=KeyError("a")) for _ in range(10)] == ["failed"] * 10
    assert breaker.statistics().failed == 0


async def test_a_decorated_function_is_guarded() -> None:
    breaker, _ = opened()

    @breaker
    async def asked() -> int:
        return 1

    with pytest.raises(BreakerOpen):
        await asked()


def test_all_that_cannot_be_is_said_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        Breaker("crm", failed_share=0, slow_share=1.5, least_calls=0, probes=0, window="0s", slow="soon", open_for="5")
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "failed_share", "slow_share", "least_calls", "probes", "window", "slow", "open_for",
    ]  # fmt: skip


def test_a_clock_that_goes_back_does_not_keep_it_open() -> None:
    breaker, clock = opened()
    clock.now -= 3600
    assert breaker.state == "half-open"
    assert [called(breaker, clock), called(breaker, clock)] == ["passed", "passed"]
    assert breaker.state == "closed"


def test_after_a_clock_went_back_failures_leave_the_window_within_its_own_time() -> None:
    breaker, clock = made(window="10s", failed_share=0.9)
    for _ in range(3):
        called(breaker, clock, error=ValueError("no"))
    clock.now -= 3600
    for _ in range(11):
        called(breaker, clock)
        clock.now += 1
    assert breaker.state == "closed"
    assert (breaker._window.failed, breaker._window.calls) == (0, 10)


def test_its_state_and_calls_are_recorded() -> None:
    meter = Meter()
    breaker, clock = made(meter=meter)
    for _ in range(5):
        called(breaker, clock, error=ValueError("no"))
    text = meter.exposition()
    assert 'scaleworthy_runtime_breaker_state{name="crm",state="open"} 1' in text
    assert 'scaleworthy_runtime_breaker_state{name="crm",state="closed"} 0' in text
    assert 'scaleworthy_runtime_breaker_calls_total{name="crm",outcome="failed"} 4' in text
    assert 'scaleworthy_runtime_breaker_calls_total{name="crm",outcome="refused"} 1' in text
