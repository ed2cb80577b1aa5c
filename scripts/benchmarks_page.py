"""Write the results from the runs that are kept: every figure there was printed by a benchmark, on the machine named.

docs/benchmarks.md has what measures (load, searches, recordings), benchmarks/runtime.md what an application embeds and Switchboard;
README.md shows some rows of both, in its two tables: which ones is written there, their figures are not.

Usage: python scripts/benchmarks_page.py [--check]      --check: exit 1 when a page is not as it would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RUNS = ROOT / "benchmarks" / "runs"
HELD = {True: "held", False: "**missed**", None: ""}
MEASURING = ROOT / "docs" / "benchmarks.md"
MEASURING_HEAD = """# Benchmarks
Written by `scripts/benchmarks_page.py` from `benchmarks/runs`; do not edit. A file per question in `benchmarks/`; `make bench`
runs them all, `python benchmarks/bench_load.py --keep` one of them and keeps its rows. Peers run beside us in the same run, taking
turns; what counts is CPU time per request, because rates on a small machine are the server's limit. *Ratio* says how many times
better ours is than the peer's. Machines of this kind are noisy: figures that differ by less than 10 % do not differ.

Rows that say **missed** are the cases we lose. A bar is a multiple of a peer's cost, and k6 and Locust cost about half on this
machine of what they cost where the bars were set. Ten times k6 (a plain GET) and twenty times Locust (a Python scenario) are less than
wrk's own cost here, and wrk does little but send and receive: no generator of this kind gets there. A WebSocket message that is
echoed one at a time is one send and one receive of the kernel, which are most of its cost; where several are under way, they share them.

The pieces of `bench_scale.py` count and weigh; those kept on 2026-11-21 were measured while its soak ran on the same two cores, so the
times in their notes are those of a busy machine. What an application embeds, and Switchboard:
[the runtime beside its peers](../benchmarks/runtime.md).
"""

RUNTIME = ROOT / "benchmarks" / "runtime.md"
RUNTIME_PARTS = ("cache", "limit", "database", "invalidation", "bulk", "http", "events", "llm", "switchboard")
RUNTIME_HEAD = """# The runtime beside its peers
Written by `scripts/benchmarks_page.py` from the kept runs; do not edit. Each part of `scaleworthy.runtime` is measured beside the
best library for its work, in the same run, taking turns; `make bench` installs them (`benchmarks/peers.txt`). *Ratio* says how many
times better ours is than the peer's. Servers, peers and what asks them share two cores; figures that differ by less than 10 % do not
differ. Goals, where they are more than the bar, stand in the notes.

Goals that are not reached. `check` of a limit: it makes an object of what the client is told; `allows`, which says yes or no, gets
there. Single inserts on asyncio's own loop: each row is a coroutine and an answer of its own in Python, and a row of a statement on
the server, which has the same two cores; on uvloop, which uvicorn takes, they get there. 20,000 sockets: a process of that machine
may have 20,000 files open, and what reads the sockets needs 100 for itself.

Where we lose: a hit or a check in Valkey runs a script that also looks at tags, tells loads from changes and leases, where the peer
sends a plain GET or INCR; a breaker that counts a window and slow calls costs as much as one that counts failures in a row; COPY in
binary alone does not look at every row's columns, as `bulk_create` does; publishing after the commit is sooner than an outbox, and
loses events. What writers lose while their changes are followed is CPU that the follower takes from them on the same two cores.
"""


def page(head: str, *, runtime: bool) -> str:
    """Return the text of the page of the runtime's parts, or of the other."""
    parts = [head]
    for folder in sorted((path for path in RUNS.iterdir() if path.is_dir()), reverse=True):
        kept = {path.stem: path for path in folder.glob("*.json")}
        names = [name for part in RUNTIME_PARTS for name in sorted(kept) if name.partition("_")[0] == part]
        if not runtime:
            names = sorted(set(kept) - set(names))
        runs = [json.loads(kept[name].read_text()) for name in names]
        if not runs:
            continue
        machine = runs[0]["machine"]
        parts.append(
            f"## {machine['date']}, {machine['cpu']}, {machine['cores']} cores\n"
            f"{machine['memory_gb']:g} GB of memory, Linux {machine['kernel']}, Python {machine['python']}.\n"
        )
        for run in runs:
            command = " ".join(["python", *run["command"][1:]])
            remark = f"\n{run['remark']}\n" if "remark" in run else ""
            parts.append(f"`{command}` at commit {run['machine']['commit']}\n{remark}\n{_table(run['rows'])}\n")
    return "\n".join(parts)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| what | unit | ours | peer | ratio | bar | | note |",
        "| --- | --- | --: | --: | --: | --- | --- | --- |",
    ]
    for row in rows:
        figures = [_figure(row[name]) for name in ("ours", "peer", "ratio")]
        cells = [row["what"], row["unit"], *figures, row["bar"], HELD[row["held"]], row["note"]]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def readme(text: str) -> str:
    """Return the README with the newest figures in the rows that it shows; a row that no run has stays as it is."""
    kept = {
        row["what"]: row for run in sorted(RUNS.glob("*/*.json")) for row in json.loads(run.read_text("utf-8"))["rows"]
    }
    lines = text.splitlines(keepends=True)
    for name in ("speed", "runtime"):
        first, last = (lines.index(f"<!-- {mark}{name} -->\n") for mark in ("", "/"))
        for at in range(first, last):
            row = kept.get(lines[at].strip("| \n").partition(" |")[0])
            if row is not None:
                lines[at] = _short(row)
    return "".join(lines)


def _short(row: dict[str, Any]) -> str:
    """Return a row of the README's."""
    bar = row["bar"].replace("ours ", "").replace(">=", "≥").replace("<=", "≤")
    cells = [
        f"{_figure(row['ours'])} {row['unit']}",
        _figure(row["peer"]),
        _figure(row["ratio"]),
        f"{bar}: {HELD[row['held']]}",
    ]
    return f"| {' | '.join([row['what'], *cells])} |\n"


def pages() -> dict[Path, str]:
    """Return the text of each page."""
    return {
        MEASURING: page(MEASURING_HEAD, runtime=False),
        RUNTIME: page(RUNTIME_HEAD, runtime=True),
        README: readme(README.read_text("utf-8")),
    }


def main() -> int:
    """Write or check the pages."""
    if "--check" in sys.argv[1:]:
        return 0 if all(path.exists() and path.read_text() == text for path, text in pages().items()) else 1
    for path, text in pages().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
