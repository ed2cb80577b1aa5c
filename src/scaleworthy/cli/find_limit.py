"""`scaleworthy find-limit`: the most that a target takes within its objectives."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from scaleworthy.cli.groups import RESULT, SEARCH, SHAPE

if TYPE_CHECKING:
    from scaleworthy.load import Limit, Probe


def find_limit(
    target: Annotated[str, Parameter(name="TARGET", group="Arguments")],
    /,
    *,
    target_url: Annotated[str | None, Parameter(name="--target", group=SHAPE, metavar="URL")] = None,
    environment: Annotated[str | None, Parameter(group=SHAPE, metavar="NAME")] = None,
    connections_max: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    http: Annotated[Literal["1.1", "2", "2-prior-knowledge", "auto"] | None, Parameter(group=SHAPE)] = None,
    streams_max: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    insecure: Annotated[bool, Parameter(group=SHAPE, negative="")] = False,
    ca: Annotated[Path | None, Parameter(group=SHAPE, metavar="FILE")] = None,
    proxy: Annotated[str | None, Parameter(group=SHAPE, metavar="URL")] = None,
    workers: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    seed: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    i_own: Annotated[
        tuple[str, ...], Parameter(name="--i-own", group=SHAPE, negative="", metavar="HOST", show_default=False)
    ] = (),
    unit: Annotated[Literal["rate", "users", "connections"], Parameter(group=SEARCH)] = "rate",
    quick: Annotated[bool, Parameter(group=SEARCH, negative="")] = False,
    longest: Annotated[str | None, Parameter(group=SEARCH, metavar="TIME")] = None,
    start: Annotated[float | None, Parameter(group=SEARCH, metavar="LEVEL")] = None,
    level_max: Annotated[float | None, Parameter(name="--max", group=SEARCH, metavar="LEVEL")] = None,
    objective: Annotated[
        tuple[str, ...], Parameter(group=RESULT, negative="", metavar="EXPR", show_default=False)
    ] = (),
    out: Annotated[Path | None, Parameter(group=RESULT, metavar="FILE.sw")] = None,
    json_to: Annotated[str | None, Parameter(name="--json", group=RESULT, metavar="FILE|-")] = None,
) -> int:
    """Find the most that a target takes within its objectives, in one live run.

    Doubles the load until an objective breaks, goes where passing is most in doubt, holds what it found, and steps there
    at once from a tenth of it. It first measures what the generator itself can send, and never asks for more than 80 % of
    that.

    Examples:

        scaleworthy find-limit http://127.0.0.1:8000/ --objective 'p95 < 200ms' --objective 'failed < 1%'

        scaleworthy find-limit plan.yaml --unit users --quick --out limit.sw

        scaleworthy find-limit plan.yaml --json - | jq .interval

    Exit status: 0 a limit was found, 1 no level held or nothing was answered, 2 usage, 3 the generator itself was the
    limit, 130 it was stopped (Ctrl-C, also while the generator is measured): what was found until then is shown.

    Args:
        target: A URL, a plan file, or an Artillery script.
        target_url: Load this URL instead of the plan file's target. [default: the file's]
        environment: Of an Artillery script: lay this part of its config.environments over its config. [default: none]
        connections_max: Connections open at once; a start that waits for one is timed from its plan. [default: 1000]
        http: Version spoken; 2 and auto (the server's choice) are agreed on over TLS, an http URL needs
            2-prior-knowledge. [default: 1.1]
        streams_max: With HTTP/2, requests at once on one connection. [default: 100]
        insecure: Do not verify certificates: for a service of your own.
        ca: PEM file with the authorities to trust. [default: the system's]
        proxy: Send everything through this proxy, such as http://127.0.0.1:3128. [default: none]
        workers: Processes that share the load. [default: one, or for Python scenarios as many as there are cores to spare]
        seed: Repeat the same random choices. [default: drawn, and printed]
        i_own: Required for a target that is not on loopback: its host, to say that you may load it. May be repeated.
        unit: Search over scenario starts per second, over concurrent users, or over open connections: users who each
            keep one of their own, such as a WebSocket.
        quick: A rougher search within 40 s.
        longest: Most time for the whole search, such as 3m. [default: 4m50s, with --quick 38s]
        start: First level. [default: 10 per second, 2 users, or 10 connections]
        level_max: Never ask for more than this level. [default: as much as the generator can send, or keep open]
        objective: What must hold, such as 'p95 < 200ms'. May be repeated. [default: the plan's]
        out: Keep the recording in this file (NAME.sw). [default: none]
        json_to: The limit as JSON to this file, or to standard output for -. [default: none]
    """
    import threading

    from scaleworthy.cli.interrupt import INTERRUPTED, abandon, interrupts
    from scaleworthy.cli.plan_source import plan_from
    from scaleworthy.cli.results import STDOUT, check_file, say, show, store_for, write_json
    from scaleworthy.load import SearchSettings
    from scaleworthy.load import find_limit as search
    from scaleworthy.units import parse_duration_ns

    check_file(json_to, "--json")
    plan = plan_from(
        target,
        target=target_url,
        environment=environment,
        http={
            "connections_max": connections_max,
            "version": http,
            "streams_max": streams_max,
            "insecure": insecure or None,
            "ca_file": str(ca) if ca is not None else None,
            "proxy": proxy,
        },
        workers=workers,
        objectives=objective,
        seed=seed,
    ).seeded()
    settings = replace(
        SearchSettings.quick() if quick else SearchSettings(),
        start_level=start,
        level_max=level_max,
        **({"longest_s": max(parse_duration_ns(longest) // 10**9, 1)} if longest is not None else {}),
    )
    say(f"{plan.target.url}: searching within {', '.join(plan.search_objectives) or 'no objective'}, seed {plan.seed}")
    stop = threading.Event()
    with (
        store_for(out, command="find-limit") as store,
        interrupts(stop=stop.set, abort=abandon, waiting_for="the second under way"),
    ):
        limit = search(
            plan,
            store,
            unit=unit,
            settings=settings,
            on_probe=lambda probe: say(probe_line(probe, unit)),
            owned=i_own,
            stop=stop,
        )
        store.put_fact("limit", "found", asdict(limit))
        # Before the recording is closed: on a full disk that fails, and the result is to be seen all the same.
        (say if json_to == STDOUT else show)(limit_text(limit))
        if json_to is not None:
            write_json({"schema": 1, **asdict(limit)}, json_to)
    if out is not None:
        say(f"recorded: {out}")
    return {"never-held": 1, "generator": 3, "interrupted": INTERRUPTED}.get(
        limit.stopped_by, 0 if limit.passing is not None else 1
    )


def probe_line(probe: Probe, unit: str) -> str:
    """Return one probe as a line."""
    from scaleworthy.units import format_ns, three_digits

    verdict = {True: "held", False: "broke", None: "undecided"}[probe.passed]
    parts = [f"{probe.phase:8} {three_digits(probe.level):>7} {'/s' if unit == 'rate' else unit:5}", f"{verdict:9}"]
    if probe.response.p95_ns is not None:
        parts.append(f"p95 {format_ns(probe.response.p95_ns)}")
    parts.append(f"answered {three_digits(probe.requests_per_s)}/s")
    parts.append(f"margin {probe.margin:+.2f} of {probe.binding}")
    if probe.ended_early is not None:
        parts.append(probe.ended_early)
    return "  ".join(parts)


def limit_text(limit: Limit) -> str:
    """Return what was found, for people."""
    from scaleworthy.units import three_digits

    unit = "starts/s" if limit.unit == "rate" else limit.unit

    def level(value: float | None) -> str:
        return f"{three_digits(value)} {unit}" if value is not None else "none"

    confirmed = " (confirmed by a hold)" if limit.confirmed and limit.passing is not None else ""
    lines = [f"highest that held   {level(limit.passing)}{confirmed}"]
    lines.append(f"lowest that broke   {level(limit.failing)}")
    if limit.estimate is not None and limit.interval is not None:
        low, high = (three_digits(value) for value in limit.interval)
        lines.append(f"limit               {level(limit.estimate)}, 95 % interval {low} to {high}")
    if limit.sudden:
        lines.append(f"at once             held {level(limit.sudden_passing)}, broke {level(limit.sudden_failing)}")
    lines.append(f"decided by          {limit.binding} ({limit.shape})")
    if limit.headroom is not None:
        lines.append(
            f"generator           takes {level(limit.generator_max)}: {three_digits(limit.headroom)} times as much"
        )
    lines.append(
        f"search              {len(limit.probes)} probes, {three_digits(limit.seconds)} s, ended by: {limit.stopped_by}"
    )
    lines += [f"note: {reason}" for reason in limit.reasons]
    return "\n".join(lines)
