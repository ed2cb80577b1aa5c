"""Up to which rate is this generator punctual here? Doubled until its own lag p99 passes 1 ms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scaleworthy.load.generator import judge_generator
from scaleworthy.load.limit.calibrate import Sender, generator_capacity
from scaleworthy.load.selftest.beside import Beside
from scaleworthy.load.selftest.line import Line, Speed
from scaleworthy.load.selftest.runs import begin, end
from scaleworthy.load.summary_times import times_of
from scaleworthy.units import three_digits

_DELIVERED = 0.95
_TRIES = 2
"""Seconds at a rate before it counts as too high: one hiccup of the machine is not the generator's limit."""
_LADDERS: dict[Speed, Sequence[int]] = {
    "declarative": (1_000, 4_000, 16_000, 32_000),
    "python": (1_000, 2_000, 4_000, 8_000),
}
_QUICK: dict[Speed, Sequence[int]] = {"declarative": (1_000, 16_000), "python": (1_000,)}


def trust(beside: Beside, *, quick: bool) -> Iterator[Line]:
    """The lag at stated rates, against a server in another process, and the highest rate with lag p99 below 1 ms."""
    for speed, rates in (_QUICK if quick else _LADDERS).items():
        punctual = 0
        for per_s, lag_ms, is_punctual in _climbed(beside, speed, rates):
            punctual = per_s if is_punctual else punctual
            yield Line("trust", speed, f"lag p50, p99 at {per_s:,}/s", "–", lag_ms, None)
        yield Line(
            "trust",
            speed,
            "highest rate tried with lag p99 < 1 ms" + (", one worker process" if speed == "python" else ""),
            f"≥ {rates[0]:,}/s",
            f"{punctual:,}/s",
            punctual > 0,
        )
    if not quick:
        most = generator_capacity(Sender())
        yield Line("trust", "declarative", "the same, server in this process", "–", f"{three_digits(most)}/s", None)
    url = beside.open()
    ran = end(begin("websocket", url, {"users": 16, "for": "500ms"}))
    beside.close(url)
    part = ran.summary.websocket
    trips = part.messages_received if part is not None else 0
    yield Line("trust", "websocket", "round trips of 16 sockets", "–", f"{trips / ran.summary.seconds:,.0f}/s", None)


def _climbed(beside: Beside, speed: Speed, rates: Sequence[int]) -> Iterator[tuple[int, str, bool]]:
    """Yield each rate of one run that is steered from rate to rate, its lag in words, and whether it was punctual.

    The climb ends with the first rate that is not: what is behind at one rate is still behind at the next.
    """
    url = beside.open()
    run = begin(
        speed, url, {"rate": f"{rates[0]}/s", "for": f"{(1 + _TRIES) * len(rates) + 2}s", "arrivals": "constant"}
    )
    level, settling, tried = 0, 1, 0
    for second in run:
        # The run's first second is a part of one; in the first at a rate, connections are opened.
        settling -= 1
        if settling >= 0:
            continue
        window = (second.second, second.second + 1)
        lag = times_of(run.store.histogram("load.lag", window=window))
        generator = judge_generator(run.store, window, connections_max=64, threads=1)
        # Punctual is: own lag below 1 ms whatever the response time, and as many sent as asked.
        own_ms = generator.lag_p99_ms
        punctual = own_ms is not None and own_ms < 1.0 and second.started >= _DELIVERED * rates[level]
        tried += 1
        if not punctual and tried < _TRIES:
            continue
        yield rates[level], f"{three_digits(lag.p50 or 0.0)} ms, {three_digits(lag.p99 or 0.0)} ms", punctual
        level += 1
        if not punctual or level == len(rates):
            break
        run.set_rate(rates[level])
        settling, tried = 1, 0
    run.abort()
    end(run)
    beside.close(url)
