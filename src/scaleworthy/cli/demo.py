"""`scaleworthy demo`: the whole product on a real backend that it brings along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from scaleworthy.cli.saying import Teller


def demo(
    *,
    out: Annotated[Path, Parameter(help="Folder for report.html, report.md, report.json and demo.sw.")] = Path(),
    size: Annotated[Literal["small", "full"], Parameter(help="Size of the database.")] = "full",
    seed: Annotated[int, Parameter(help="Repeat the same data and the same random choices.")] = 1,
) -> int:
    """Assess Switchboard, a multi-tenant voice and CRM backend, and prove the advice.

    Starts it on an embedded PostgreSQL and Valkey in the shape such backends start in, finds the load that it takes within
    its objectives, observes, audits, applies the indexes that were proved, measures again, then does the same for its tuned
    shape. Takes some three minutes, sends load to this machine alone, and leaves nothing running.

    Examples:
      scaleworthy demo
      scaleworthy demo --out demo-out --seed 7

    Exit status: 0 the report was written, 1 the service could not be measured, 2 usage
    """
    from scaleworthy.assess.demo import run_demo
    from scaleworthy.assess.written import write
    from scaleworthy.cli.results import kept, make_folder
    from scaleworthy.report.terminal import print_verdict

    make_folder(out, "--out")
    teller = Teller()
    with kept(out / "demo.sw", run={"what": "demo", "seed": seed}) as store:
        report = run_demo(store=store, size=size, seed=seed, say=teller.say)
        paths = write(report, out)
        print_verdict(report, teller.result)
        teller.result.print(f"report: {paths[0]}", soft_wrap=True)
    return 0
