"""`scaleworthy assess`: the whole loop for a service of your own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from scaleworthy.cli.saying import Teller

if TYPE_CHECKING:
    from scaleworthy.assess.loop import Settings
    from scaleworthy.assess.subject import Subject

SUBJECT = Group("Service", sort_key=1)
SEARCH = Group("Search", sort_key=2)
RESULT = Group("Result", sort_key=3)


def assess(
    target: Annotated[str, Parameter(name="TARGET", group="Arguments")] = "scaleworthy.yaml",
    /,
    *,
    database: Annotated[str | None, Parameter(group=SUBJECT, metavar="DSN")] = None,
    cache: Annotated[str | None, Parameter(group=SUBJECT, metavar="URL")] = None,
    objective: Annotated[
        tuple[str, ...], Parameter(group=SUBJECT, negative="", metavar="EXPR", show_default=False)
    ] = (),
    i_own: Annotated[
        tuple[str, ...], Parameter(name="--i-own", group=SUBJECT, negative="", metavar="HOST", show_default=False)
    ] = (),
    quick: Annotated[bool, Parameter(group=SEARCH, negative="")] = False,
    level_max: Annotated[float | None, Parameter(name="--max", group=SEARCH, metavar="RATE")] = None,
    seed: Annotated[int | None, Parameter(group=SEARCH, metavar="N")] = None,
    out: Annotated[Path, Parameter(group=RESULT, metavar="FOLDER")] = Path(),
) -> int:
    """Assess a service: find its limit, what limits it, what to change, and what 10×, 100× and enterprise growth need.

    Loads the target (this machine alone, unless --i-own names its host), observes it meanwhile, audits its database by
    reading only, and writes report.html, report.md, report.json and assess.sw. Nothing of yours is changed: fixes are
    shown as exact statements, and index advice is proved on a copy.

    Examples:

        scaleworthy init --target http://127.0.0.1:8000 && scaleworthy assess

        scaleworthy assess http://127.0.0.1:8000/ --quick

        scaleworthy assess http://127.0.0.1:8000/ --database postgresql://me@127.0.0.1/app --objective 'p95 < 200ms'

    Exit status: 0 the report was written, 1 not even the lowest load held the objectives, 2 usage, 3 the load generator
    was the limit

    Args:
        target: A URL (its /openapi.json gives the scenario, safe methods only), or a file that `scaleworthy init` wrote.
        database: libpq DSN of the service's PostgreSQL, read only. [default: the file's]
        cache: URL of its Valkey or Redis. [default: the file's]
        objective: What must hold, such as 'p95 < 200ms'. May be repeated. [default: the file's, or p95 < 500ms, failed < 1%]
        i_own: Required for a target that is not on this machine: its host, to say that you may load it. May be repeated.
        quick: Rougher, in about a minute.
        level_max: Never ask for more than this rate per second. [default: as much as the generator can send]
        seed: Repeat the same random choices. [default: drawn, and printed in the report]
        out: Folder for the report and the recording.
    """
    from scaleworthy.assess import loop
    from scaleworthy.assess.written import write
    from scaleworthy.cli.results import kept, make_folder
    from scaleworthy.report.terminal import print_verdict

    teller = Teller()
    subject, settings = _what(
        target,
        database=database,
        cache=cache,
        objectives=objective,
        owned=i_own,
        seed=seed,
        quick=quick,
        level_max=level_max,
    )
    make_folder(out, "--out")
    run = {"what": "assess", "target": subject.plan.target.url, "seed": subject.plan.seed}
    with kept(out / "assess.sw", run=run) as store:
        report = loop.assess(subject, store=store, settings=settings, say=teller.say)
        paths = write(report, out)
        print_verdict(report, teller.result)
        teller.result.print(f"report: {paths[0]}", soft_wrap=True)
    return {"never-held": 1, "generator": 3}.get(report.stages[0].limit.stopped_by, 0)


def _what(
    target: str,
    *,
    database: str | None,
    cache: str | None,
    objectives: tuple[str, ...],
    owned: tuple[str, ...],
    seed: int | None,
    quick: bool,
    level_max: float | None,
) -> tuple[Subject, Settings]:
    """Return the subject and the settings that the words and the file ask for; words win."""
    from scaleworthy.assess.from_config import subject_from_config
    from scaleworthy.assess.from_url import OBJECTIVES, subject_from_url
    from scaleworthy.assess.loop import Settings
    from scaleworthy.config import load_config
    from scaleworthy.load import SearchSettings
    from scaleworthy.series import Objective

    search = SearchSettings.quick() if quick else SearchSettings()
    for text in objectives:
        Objective.parse(text)
    settings = Settings(search=replace(search, level_max=level_max), baseline_s=8 if quick else 20)
    if "://" in target:
        subject = subject_from_url(
            target, objectives=objectives or OBJECTIVES, database=database, cache=cache, owned=owned
        )
    else:
        config = load_config(Path(target))
        changes = {
            name: value
            for name, value in {
                "database": database,
                "cache": cache,
                "objectives": list(objectives),
                "i_own": [*config.i_own, *owned] if owned else None,
            }.items()
            if value
        }
        subject = subject_from_config(config.model_copy(update=changes))
        settings = replace(settings, prices=config.price_book, assumptions=config.growth.assumptions())
    plan = (subject.plan if seed is None else subject.plan.changed(seed=seed)).seeded()
    return replace(subject, plan=plan, hosts_owned=(*subject.hosts_owned, *owned)), settings
