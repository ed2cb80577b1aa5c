"""`scaleworthy load`: send requests on a schedule and say what came back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from scaleworthy.cli.groups import RESULT, SHAPE

if TYPE_CHECKING:
    from scaleworthy.load.second import Second


def load(
    target: Annotated[str, Parameter(name="TARGET", group="Arguments")],
    /,
    *,
    target_url: Annotated[str | None, Parameter(name="--target", group=SHAPE, metavar="URL")] = None,
    environment: Annotated[str | None, Parameter(group=SHAPE, metavar="NAME")] = None,
    rate: Annotated[str | None, Parameter(group=SHAPE, metavar="N/TIME")] = None,
    users: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    duration: Annotated[str | None, Parameter(name="--for", group=SHAPE, metavar="TIME")] = None,
    count: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    stages: Annotated[str | None, Parameter(group=SHAPE, metavar="TIME:LEVEL,...")] = None,
    test: Annotated[
        Literal["baseline", "normal", "peak", "stress", "spike", "soak", "breakpoint"] | None, Parameter(group=SHAPE)
    ] = None,
    intensity: Annotated[Literal["low", "medium", "high", "extreme"] | None, Parameter(group=SHAPE)] = None,
    users_arrive: Annotated[str | None, Parameter(group=SHAPE, metavar="N/TIME")] = None,
    iterations: Annotated[str | None, Parameter(group=SHAPE, metavar="N|N..M")] = None,
    arrivals: Annotated[Literal["poisson", "constant", "gamma"] | None, Parameter(group=SHAPE)] = None,
    gamma_shape: Annotated[float | None, Parameter(group=SHAPE, metavar="K")] = None,
    replay: Annotated[str | None, Parameter(group=SHAPE, metavar="FILE")] = None,
    replay_speed: Annotated[float | None, Parameter(group=SHAPE, metavar="X")] = None,
    warm_up: Annotated[str | None, Parameter(group=SHAPE, metavar="TIME")] = None,
    connections_max: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    workers: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    http: Annotated[Literal["1.1", "2", "2-prior-knowledge", "auto"] | None, Parameter(group=SHAPE)] = None,
    streams_max: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    insecure: Annotated[bool, Parameter(group=SHAPE, negative="")] = False,
    ca: Annotated[Path | None, Parameter(group=SHAPE, metavar="FILE")] = None,
    proxy: Annotated[str | None, Parameter(group=SHAPE, metavar="URL")] = None,
    seed: Annotated[int | None, Parameter(group=SHAPE, metavar="N")] = None,
    i_own: Annotated[
        tuple[str, ...], Parameter(name="--i-own", group=SHAPE, negative="", metavar="HOST", show_default=False)
    ] = (),
    objective: Annotated[
        tuple[str, ...], Parameter(group=RESULT, negative="", metavar="EXPR", show_default=False)
    ] = (),
    abort_on_breach: Annotated[bool, Parameter(group=RESULT, negative="")] = False,
    out: Annotated[Path | None, Parameter(group=RESULT, metavar="FILE.sw")] = None,
    export: Annotated[tuple[Path, ...], Parameter(group=RESULT, negative="", metavar="FILE", show_default=False)] = (),
    push: Annotated[tuple[str, ...], Parameter(group=RESULT, negative="", metavar="URL", show_default=False)] = (),
    json_to: Annotated[str | None, Parameter(name="--json", group=RESULT, metavar="FILE|-")] = None,
) -> int:
    """Send requests on a schedule; report response time from the planned start.

    TARGET is a URL, such as http://127.0.0.1:8000/, or a file: a plan (docs/reference/plan.md), a Python scenario, or another tool's
    file, which runs as it is: Artillery, Locust, HAR, Postman, OpenAPI, curl (docs/guide/imports.md). Without a shape a URL is
    loaded by 10 users for 30 s.

    Examples:

        scaleworthy load http://127.0.0.1:8000/ --rate 500/s

        scaleworthy load plan.yaml --users 50 --for 2m --out run.sw

        scaleworthy load scenario.py --target http://127.0.0.1:8000/ --users 50 --for 2m

        scaleworthy load artillery.yml --environment staging --for 1m

        scaleworthy load locustfile.py --users 50 --for 1m

        scaleworthy load http://127.0.0.1:8000/ --rate 500/s --json - | jq .response_ms.p99

        scaleworthy load plan.yaml --test spike --rate 100/s --for 3m

        scaleworthy load http://127.0.0.1:8000/ --replay access.log --replay-speed 4

        scaleworthy load http://127.0.0.1:8000/ --rate 500/s --objective 'p99 < 250ms' --objective 'failed < 0.1%'

        scaleworthy load plan.yaml --warm-up 10s --objective 'p95 < 300ms over 10s' --abort-on-breach

    Exit status: 0 held, 1 an objective failed or nothing was answered, 2 usage, 3 the generator itself fell behind
    (do not quote the run).

    Args:
        target: A URL, or a file: a plan, a Python scenario, or another tool's (docs/guide/imports.md).
        target_url: Load this URL instead of the plan file's target. [default: the file's]
        environment: Of an Artillery script: lay this part of its config.environments over its config. [default: none]
        rate: Arrivals per time (open), such as 500/s or 30/m: they do not wait for answers.
        users: Concurrent users (closed): each starts again when its answers are there.
        duration: How long new requests may start, such as 30s or 5m; a file's stages are shortened or stretched to it.
            [default: 30s]
        count: End after this many starts instead. [default: no count]
        stages: Levels over time, such as 2m:100,5m:100,1m:0: each is reached linearly from the one before, the first
            from --rate or --users, or from 0; 2m@100 is 100 at once; 2m:100/s is a rate. [default: none]
        test: A named test, its shape derived from --rate or --users as the normal load and stretched to --for. [default: none]
        intensity: A number of users by name: low 50, medium 100, high 500, extreme 1,000. [default: none]
        users_arrive: Users arriving per time, each going --iterations times through a scenario. [default: none]
        iterations: With --users-arrive: how often each comes back, such as 3 or 2..5. [default: 1]
        arrivals: With a rate: at random as independent users arrive, evenly spaced, or in bursts. [default: poisson]
        gamma_shape: With --arrivals gamma: below 1 in bursts, 1 is Poisson, above 1 smoother. [default: none]
        replay: Recorded arrivals: an access log (common, combined), JSON lines or CSV. A URL is loaded with the recorded
            requests (GET, HEAD, OPTIONS), a plan file with its own at the recorded times. [default: none]
        replay_speed: With --replay: 2 replays an hour in half an hour. [default: 1]
        warm_up: Leave so much of the beginning out of percentiles and objectives; counts are of the whole run. [default: none]
        connections_max: Connections open at once; a start that waits for one is timed from its plan. [default: 1000]
        workers: Processes that share the load. [default: one, or as many as the connections need]
        http: Version spoken; 2 and auto (the server's choice) are agreed on over TLS, an http URL needs
            2-prior-knowledge. [default: 1.1]
        streams_max: With HTTP/2, requests at once on one connection. [default: 100]
        insecure: Do not verify certificates: for a service of your own.
        ca: PEM file with the authorities to trust. [default: the system's]
        proxy: Send everything through this proxy, such as http://127.0.0.1:3128. [default: none]
        seed: Repeat the same random choices. [default: drawn, and printed]
        i_own: Required for a target that is not on loopback: its host, to say that you may load it. May be repeated.
        objective: Must hold, such as 'p95 < 500ms' or 'failed < 1%'; exit 1 when broken. May be repeated.
        abort_on_breach: End the run as soon as an objective is broken: a window of it, or the whole run beyond chance.
        out: Keep the recording in this file (NAME.sw), for report, audit and capacity. [default: none]
        export: Write the results to this file, in the format of its ending: .html (the page for people), .csv, .parquet, .json,
            .xml (JUnit), .md, .prom, .otlp or .txt. May be repeated.
        push: Send each second to a metrics service as the run goes on: prometheus+http://HOST:PORT/api/v1/write (remote write)
            or otlp+http://HOST:PORT/v1/metrics. May be repeated.
        json_to: Summary as JSON to this file, or to standard output for -. [default: none]
    """
    from scaleworthy.cli.exports import check_exports, write_exports
    from scaleworthy.cli.interrupt import interrupts
    from scaleworthy.cli.plan_source import plan_from
    from scaleworthy.cli.progress import Progress
    from scaleworthy.cli.results import STDOUT, check_file, say, show, store_for, write_json
    from scaleworthy.load import start, summary_text
    from scaleworthy.load.results import Push, check_push

    check_file(json_to, "--json")
    check_exports(export)
    for url in push:
        check_push(url)
    plan = plan_from(
        target,
        target=target_url,
        environment=environment,
        load=_shape(
            rate=rate,
            users=users,
            duration=duration,
            count=count,
            stages=stages,
            test=test,
            intensity=intensity,
            users_arrive=users_arrive,
            iterations=iterations,
            arrivals=arrivals,
            gamma_shape=gamma_shape,
            replay=replay,
            replay_speed=replay_speed,
            warm_up=warm_up,
        ),
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
        abort=abort_on_breach,
        seed=seed,
    ).seeded()
    with store_for(out, command="load") as store:
        run = start(plan, store, owned=i_own)
        say(f"{plan.describe()}, seed {plan.seed}")
        unit = "starts/s" if plan.load.is_open else "users"
        with contextlib.ExitStack() as stack:
            stack.enter_context(interrupts(stop=run.stop, abort=run.abort))
            shown = stack.enter_context(Progress(unit=unit))
            pushes = [stack.enter_context(Push(url, target=plan.target.url)) for url in push]
            summary = run.wait(on_second=lambda second: _each(second, shown.show, *(to.add for to in pushes)))
        # Before the recording is closed: on a full disk that fails, and the result is to be seen all the same.
        (say if json_to == STDOUT else show)(summary_text(summary, store))
        if json_to is not None:
            write_json(summary.to_dict(), json_to)
        write_exports(store, export)
    for url, to in zip(push, pushes, strict=True):
        if to.lost:
            say(f"{url}: {to.lost} of {to.lost + to.sent} seconds did not get there: {to.problem}")
    if out is not None:
        say(f"recorded: {out}")
    return summary.exit_status


def _each(second: Second, *calls: Callable[[Second], None]) -> None:
    for call in calls:
        call(second)


def _shape(**given: Any) -> dict[str, Any]:
    """Return the load in the plan file's form, from the options that were given."""
    names = {"duration": "for"}
    return {names.get(name, name): value for name, value in given.items() if value is not None}
