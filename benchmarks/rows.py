"""One shape for every benchmark's result: what, unit, ours, peer, ratio, bar, held; and how it is printed and kept.

A bar is a comparison with the ratio (`ratio >= 0.9`) or with our own figure (`ours <= 20`). `held` is None where there is no bar,
or where the peer is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "benchmarks" / "runs"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: ours, a peer's in the same run where there is one, and the bar it must hold."""

    what: str
    unit: str
    ours: float | None
    peer: float | None = None
    ratio: float | None = None
    bar: str = ""
    held: bool | None = None
    note: str = ""


def row(
    what: str,
    unit: str,
    ours: float | None,
    *,
    peer: float | None = None,
    better: Literal["lower", "higher"] = "lower",
    least_ratio: float | None = None,
    most: float | None = None,
    least: float | None = None,
    note: str = "",
) -> Row:
    """Return a row; the ratio says how many times better ours is than the peer's, whichever way is better."""
    ratio = None
    if ours and peer:
        ratio = peer / ours if better == "lower" else ours / peer
    bar, held = "", None
    if least_ratio is not None:
        bar, held = f"ratio >= {least_ratio:g}", None if ratio is None else ratio >= least_ratio
    elif most is not None:
        bar, held = f"ours <= {most:g}", None if ours is None else ours <= most
    elif least is not None:
        bar, held = f"ours >= {least:g}", None if ours is None else ours >= least
    return Row(what, unit, ours, peer, ratio, bar, held, note)


def machine() -> dict[str, Any]:
    """Return what a reader needs to know of the machine and the build: CPU, cores, memory, kernel, commit, date."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_kb / 1e6, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return the parser every benchmark starts from: --json, --keep, --quick."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON lines instead of a table")
    parser.add_argument(
        "--keep", action="store_true", help="also write them to benchmarks/runs, with the machine and date"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter runs: to see that it works, not to quote"
    )
    return parser


def show(name: str, rows: Sequence[Row], options: argparse.Namespace) -> int:
    """Print the rows, keep them if asked; return 1 when a bar was missed, else 0."""
    if options.json:
        for item in rows:
            print(json.dumps(asdict(item)))
    else:
        _print_table(rows)
    if options.keep:
        _keep(name, rows)
    return 1 if any(item.held is False for item in rows) else 0


def _print_table(rows: Sequence[Row]) -> None:
    width = max(len(item.what) for item in rows)
    print(f"{'what':{width}}  {'unit':16} {'ours':>10} {'peer':>10} {'ratio':>7}  bar")
    for item in rows:
        held = {True: "held", False: "MISSED", None: ""}[item.held]
        figures = (f"{value:.4g}" if value is not None else "–" for value in (item.ours, item.peer, item.ratio))
        ours, peer, ratio = figures
        print(
            f"{item.what:{width}}  {item.unit:16} {ours:>10} {peer:>10} {ratio:>7}  {item.bar} {held}  {item.note}".rstrip()
        )


def _keep(name: str, rows: Sequence[Row]) -> None:
    host = machine()
    folder = (
        RUNS
        / f"{host['date']}-{'-'.join(str(host['cpu']).lower().replace('(r)', '').split()[:3])}-{host['cores']}cores"
    )
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": host, "command": ["python", *sys.argv], "rows": [asdict(item) for item in rows]}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"kept: {path.relative_to(ROOT)}", file=sys.stderr)
