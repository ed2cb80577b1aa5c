"""What the probes together say beyond a number: smooth or cliff, and what a reader must know before using it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from scaleworthy.load.result import Probe, Unit
from scaleworthy.units import three_digits

_NEAR = 1.25
_EASY = 0.5
_LOST = -0.4
_LATE = 0.1
_OPEN = 0.9


def shape_of(
    probes: Sequence[Probe], *, passing: float | None, failing: float | None
) -> Literal["smooth", "cliff", "unknown"]:
    """Return how the target gets into its limit.

    *Cliff*: within a quarter of a level, from using at most half of what the objective allows to being lost. *Smooth*: some probe
    stood in between. *Unknown*: the probes on both sides are too far apart to tell.
    """
    if passing is None or failing is None:
        return "unknown"
    if any(_LOST < probe.margin < _EASY for probe in probes if passing / _NEAR <= probe.level <= failing * _NEAR):
        return "smooth"
    return "cliff" if failing <= passing * _NEAR else "unknown"


def warnings_of(
    probes: Sequence[Probe], *, stopped: str, confirmed: bool, reversed_levels: tuple[float, float] | None
) -> tuple[str, ...]:
    """Return what a reader must know before using the limit, in sentences."""
    found: list[str] = []
    if stopped == "time":
        found.append("the time ended before the interval was as narrow as asked; a longer search narrows it")
    if stopped == "generator":
        found.append("the generator would be the limit beyond the last level; the target takes at least that")
    if stopped == "never-held":
        found.append("even the lowest level broke an objective: the objective, not the load, is what the target misses")
    if stopped == "interrupted":
        found.append(
            "the search was stopped before its end: the limit is between the two levels, and may be beyond them"
        )
    if stopped in ("found", "time") and not confirmed:
        found.append("the limit was not confirmed by a hold")
    if reversed_levels is not None:
        low, high = (three_digits(level) for level in reversed_levels)
        found.append(
            f"not monotonic: {low} failed although {high} passed; something else changed meanwhile, or the target scales in steps"
        )
    late = [probe for probe in probes if _lateness(probe) > _LATE]
    if late:
        share = f"{_lateness(late[-1]) * 100:.0f} %"
        found.append(
            f"generator and target share this machine: at {three_digits(late[-1].level)} late starts were {share} of the response"
            " time's p99; with the generator elsewhere the target may take more"
        )
    stuck = [probe for probe in probes if probe.recovery_s is None]
    if stuck:
        found.append(f"the target did not recover after {three_digits(stuck[0].level)} within the time allowed for it")
    return tuple(found)


def connection_warnings(probes: Sequence[Probe], *, unit: Unit) -> tuple[str, ...]:
    """Return whether fewer connections were open than the level says, in a sentence."""
    fewer = [probe for probe in probes if probe.connections_mean < _OPEN * probe.level and probe.ended_early is None]
    if unit != "connections" or not fewer:
        return ()
    level, were = three_digits(fewer[-1].level), three_digits(fewer[-1].connections_mean)
    return (
        f"at a level of {level} only {were} connections were open on average: iterations are short, or were refused; let them last",
    )


def sudden_warnings(*, passing: float | None, held: float | None, broke: float | None) -> tuple[str, ...]:
    """Return what differs when the load comes at once, in sentences."""
    if passing is None or broke is None:
        return ()
    if held is None:
        return (f"a sudden rise to {three_digits(broke)} broke what holds when the load rises step by step",)
    return (
        f"a sudden rise to {three_digits(broke)} broke, to {three_digits(held)} held: scale before the load comes, or let it rise slowly",
    )


def _lateness(probe: Probe) -> float:
    """Return lag p99 by response p99: how much of the slow responses the generator may have made itself."""
    if probe.lag_p99_ns is None or not probe.response.p99_ns or probe.lag_p99_ns < 1e6 or probe.ended_early is not None:
        return 0.0
    return probe.lag_p99_ns / probe.response.p99_ns
