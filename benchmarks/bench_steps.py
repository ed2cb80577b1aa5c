"""How much CPU does one request cost when a scenario does what real ones do, beside k6 with the same work?

Each iteration takes a row of a CSV file and makes two requests: each is a POST with a JSON body made from the row and the value kept
of the answer before, expects status 200 and a value deep in a JSON answer of about 1 KB, and keeps another value of it. Closed loop
of 32 keep-alive users against nginx on the other core. What starting up costs is taken out: each tool runs short and long, and the
difference in CPU time is divided by the difference in requests. Fair to whom: k6 runs JavaScript, which can do more than these
steps; both read the rows once, and neither prints checks. Also: our own GET without any of this, as the floor.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from peers import Cost, find, nginx, run
from rows import Row, arguments, row, show

USERS, ROWS = 32, 1_000
BODY = json.dumps(
    {
        "page": 1,
        "items": [
            {
                "id": f"item-{n}",
                "name": f"A lead with the number {n}",
                "phone": f"+1555010{n:04}",
                "tags": ["new", "warm", "owner"],
                "score": n * 1.5,
                "note": "Called twice, asked to call back on Monday. \\u00e9",
            }
            for n in range(5)
        ],
        "meta": {"total": 48, "status": "open", "took_ms": 3},
    }
)
PLAN = """\
target: {url}
feeders: [{{file: rows.csv}}]
scenarios:
  - name: call
    steps:
      - post: /calls
        json: {{name: "{{{{ name }}}}", phone: "{{{{ phone }}}}", after: none}}
        expect: {{status: 200, json: {{$.meta.status: open}}}}
        extract: {{id: {{json: "$.items[3].id"}}}}
      - post: /calls
        json: {{name: "{{{{ name }}}}", phone: "{{{{ phone }}}}", after: "{{{{ id }}}}"}}
        expect: {{status: 200, json: {{$.meta.status: open}}}}
        extract: {{id: {{json: "$.items[3].id"}}}}
load: {{users: {users}, for: {seconds}s}}
"""
GET = """\
target: {url}
scenarios: [{{name: get, steps: [{{get: /}}]}}]
load: {{users: {users}, for: {seconds}s}}
"""
K6 = """\
import http from 'k6/http';
import {{ check }} from 'k6';
import {{ SharedArray }} from 'k6/data';
const rows = new SharedArray('rows', () => open('{rows}').trim().split('\\n').slice(1).map((line) => {{
  const [name, phone] = line.split(',');
  return {{ name, phone }};
}}));
const params = {{ headers: {{ 'content-type': 'application/json' }} }};
export default function () {{
  const row = rows[(__ITER * {users} + __VU) % rows.length];
  let id = 'none';
  for (let turn = 0; turn < 2; turn++) {{
    const answer = http.post('{url}calls', JSON.stringify({{ name: row.name, phone: row.phone, after: id }}), params);
    const body = answer.json();
    check(answer, {{ status: (r) => r.status === 200, open: () => body.meta.status === 'open' }});
    id = body.items[3].id;
  }}
}}
"""
Runner = Callable[[str, Path, int], Cost]


def _ours(plan: str) -> Runner:
    def runner(url: str, folder: Path, seconds: int) -> Cost:
        path = folder / "plan.yaml"
        path.write_text(plan.format(url=url.rstrip("/"), users=USERS, seconds=seconds))
        command = [sys.executable, "-m", "scaleworthy", "load", str(path), "--json", "-"]
        text, cost = run(command, ok=(0, 3))
        summary = json.loads(text)
        if summary["failed"]:
            raise RuntimeError(f"{summary['failed']} requests failed: {summary['errors']}")
        return Cost(int(summary["answered"]), cost.cpu_s, cost.rss_bytes)

    return runner


def _k6(url: str, folder: Path, seconds: int) -> Cost:
    program = find("k6")
    if program is None:
        raise FileNotFoundError("k6 was not found: put it on PATH or set K6_BIN")
    script, kept = folder / "steps.js", folder / "summary.json"
    script.write_text(K6.format(url=url, rows=folder / "rows.csv", users=USERS))
    command = [program, "run", "--quiet", "--no-usage-report", "--summary-export", str(kept)]
    _, cost = run([*command, "--vus", str(USERS), "--duration", f"{seconds}s", str(script)])
    metrics = json.loads(kept.read_text())["metrics"]
    if metrics["checks"]["fails"]:
        raise RuntimeError(f"{metrics['checks']['fails']} of k6's checks failed")
    return Cost(int(metrics["http_reqs"]["count"]), cost.cpu_s, cost.rss_bytes)


def measured(url: str, folder: Path, *, repeats: int, short_s: int, long_s: int) -> dict[str, list[float]]:
    """Return each tool's CPU µs per request, the tools taking turns, forwards and backwards."""
    tools: dict[str, Runner] = {"steps": _ours(PLAN), "get": _ours(GET)}
    if find("k6"):
        tools["k6"] = _k6
    figures: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(repeats):
        for name in sorted(tools, reverse=turn % 2 == 1):
            brief, long = (tools[name](url, folder, seconds) for seconds in (short_s, long_s))
            figures[name].append((long.cpu_s - brief.cpu_s) / (long.requests - brief.requests) * 1e6)
            print(f"  {name}: {figures[name][-1]:.2f} µs", file=sys.stderr)
    return figures


def rows_of(figures: dict[str, list[float]]) -> list[Row]:
    """Return the comparison with k6 and, for reading it, what the work costs over a GET."""
    ours, plain = (statistics.median(figures[name]) for name in ("steps", "get"))
    theirs = figures.get("k6")
    spread = ", ".join(f"{name} {min(found):.2f}-{max(found):.2f}" for name, found in figures.items())
    note = f"{spread}; n={len(figures['steps'])}" if theirs else "k6 is not installed"
    peer = statistics.median(theirs) if theirs else None
    return [
        row(
            "POST, JSON body from a feeder, 2 expectations, extraction, vs k6",
            "CPU µs/request",
            ours,
            peer=peer,
            least_ratio=12,
            note=note,
        ),
        row("the same over a GET without anything", "CPU µs/request", ours - plain, note=f"GET {plain:.2f}"),
    ]


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 1, 3) if options.quick else (5, 1, 6)
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as name, nginx(body=BODY) as url:
        folder = Path(name)
        lines = [f"Lead number {n},+1555020{n:04}" for n in range(ROWS)]
        (folder / "rows.csv").write_text("\n".join(["name,phone", *lines]) + "\n")
        return show("steps", rows_of(measured(url, folder, repeats=repeats, short_s=short_s, long_s=long_s)), options)


if __name__ == "__main__":
    sys.exit(main())
