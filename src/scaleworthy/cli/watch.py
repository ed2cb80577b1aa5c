"""`scaleworthy watch`: the same load again and again, and an alarm where a run falls out of its history."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scaleworthy.errors import TargetError, UsageError

if TYPE_CHECKING:
    from scaleworthy.load.watch import Run

_SHOWN = 20


def watch(
    target: Annotated[str, Parameter(name="TARGET", group="Arguments")],
    /,
    *,
    every: Annotated[str, Parameter(metavar="TIME")] = "30m",
    count: Annotated[int | None, Parameter(metavar="N")] = None,
    history: Annotated[Path, Parameter(metavar="FILE.sqlite")] = Path("scaleworthy-watch.sqlite"),
    target_url: Annotated[str | None, Parameter(name="--target", metavar="URL")] = None,
    rate: Annotated[str | None, Parameter(metavar="N/TIME")] = None,
    users: Annotated[int | None, Parameter(metavar="N")] = None,
    duration: Annotated[str | None, Parameter(name="--for", metavar="TIME")] = None,
    false_alarms: Annotated[float, Parameter(metavar="PERCENT")] = 1.0,
    floor: Annotated[float, Parameter(metavar="PERCENT")] = 5.0,
    new_baseline: Annotated[bool, Parameter(negative="")] = False,
    show: Annotated[bool, Parameter(negative="")] = False,
    i_own: Annotated[tuple[str, ...], Parameter(name="--i-own", negative="", metavar="HOST", show_default=False)] = (),
) -> int:
    """Run the same load again and again, keep its history, and say when a run falls out of it.

    TARGET is a URL, a plan file, or whatever else load takes. Each run gives one line on standard output. From the sixth
    run on, each is held to the latest 30 and, against slow drift, to the first 10.

    Examples:

        scaleworthy watch plan.yaml --every 30m

        scaleworthy watch http://127.0.0.1:8000/api/health --rate 50/s --for 1m --every 10m --count 6

        scaleworthy watch plan.yaml --show

    Exit status: 0 no run was worse, 1 a run was worse, broke an objective or was not answered, 2 usage.

    Args:
        target: What to load, as for load.
        every: From the beginning of a run to the beginning of the next.
        count: End after this many runs. [default: go on until Ctrl-C]
        history: Where runs are kept.
        target_url: Load this URL instead of the file's target. [default: the file's]
        rate: Arrivals per time, in place of the plan's load. [default: the plan's]
        users: Concurrent users, in place of the plan's load. [default: the plan's]
        duration: How long each run is. [default: the plan's, or 30s]
        false_alarms: How many of 100 runs of an unchanged service may be called worse.
        floor: The change that matters, in percent of what is usual.
        new_baseline: What changed was meant to: hold runs to those from now on.
        show: Show the history and end.
        i_own: Required for a target that is not on loopback: its host. May be repeated.
    """
    from scaleworthy.cli.interrupt import interrupts
    from scaleworthy.cli.plan_source import plan_from
    from scaleworthy.cli.results import say
    from scaleworthy.cli.results import show as put
    from scaleworthy.load.watch import History, Watch
    from scaleworthy.units import parse_duration_ns

    every_s = parse_duration_ns(every) / 1e9
    _check(every_s=every_s, count=count, false_alarms=false_alarms, floor=floor)
    given: dict[str, Any] = {"rate": rate, "users": users, "for": duration}
    plan = plan_from(
        target, target=target_url, load={name: value for name, value in given.items() if value is not None}
    )
    kept = History(history, plan)
    if new_baseline:
        kept.begin_anew()
        say("runs until now are no reference any more")
    if show:
        for run in kept.runs()[-_SHOWN:]:
            put(_line(run))
        return 0
    say(f"{plan.describe()}, every {every}; history: {history}")
    unreachable = _Unreachable()
    watched = Watch(
        plan,
        kept,
        every_s=every_s,
        count=count,
        false_alarms=false_alarms / 100,
        floor=floor / 100,
        owned=i_own,
        on_unreachable=unreachable.append,
    )
    failed = False
    with interrupts(stop=watched.stop, abort=watched.abort):
        for run in watched:
            put(_line(run))
            failed = failed or bool(run.regressions) or run.summary["verdict"] == "fail"
    return 1 if failed or unreachable else 0


class _Unreachable(list[TargetError]):
    """The times at which the target was not there, each told as it happens."""

    def append(self, error: TargetError) -> None:
        """Keep one, and tell of it."""
        from scaleworthy.cli.results import show

        show(f"{_now(time.time())}  not reached: {error.message}")
        super().append(error)


def _check(*, every_s: float, count: int | None, false_alarms: float, floor: float) -> None:
    problems = []
    if every_s <= 0:
        problems.append("--every must be above 0")
    if count is not None and count < 1:
        problems.append(f"--count must be at least 1, got {count}")
    if not 0 < false_alarms <= 50:
        problems.append(f"--false-alarms must be above 0 and at most 50 percent, got {false_alarms:g}")
    if not 0 <= floor <= 1_000:
        problems.append(f"--floor must be 0 to 1000 percent, got {floor:g}")
    if problems:
        raise UsageError("; ".join(problems))


def _line(run: Run) -> str:
    from scaleworthy.units import format_ratio, three_digits

    figures = run.figures
    times = "  ".join(
        f"{name} {three_digits(value)} ms" if value is not None else f"{name} –"
        for name, value in (("p50", figures.p50), ("p95", figures.p95), ("p99", figures.p99))
    )
    words = "; ".join(f"WORSE: {text}" for text in run.regressions) or run.summary["verdict"]
    rate = three_digits(run.summary["requests_per_s"])
    return f"{_now(run.at_s)}  {rate}/s  {times}  failed {format_ratio(figures.failed)}  {words}"


def _now(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
