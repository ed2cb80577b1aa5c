"""How many WebSocket messages does one CPU second of the generator carry, beside k6?

32 sockets that say a 64-byte text against our null server's echo in a process of its own; generator on one core, server on the other,
alternating. Each socket is held for the whole run and says the next text when the one before has come back, or keeps 16 under way.
The server counts what was said to it, for every tool alike. What starting up costs is taken out: each tool is run short and long, and
the difference in messages is divided by the difference in CPU time.

Fair to whom: ours holds each answer to an expectation and keeps histograms of three clocks and the round trip; the bars are for a k6
script that checks and times each message too, written for `k6/ws`, which is the cheaper of k6's two modules here (the other has a row).

One text at a time is the dearest way to talk: a receive and a send for each, and on loopback a send does the receiver's half of TCP
too. The kernel takes 83 to 90 % of our CPU time there, and a loop in C of nothing but epoll_wait, recv and send carries 5 % more
messages than we do. So the ratio has a ceiling, which each run's note states: k6's messages against those that the kernel's share of
our time alone would carry. Where several are under way, what arrives together is read together, and what is said leaves with one send.
"""

from __future__ import annotations

import contextlib
import functools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peers import SERVER_CORE, Cost, find, run
from rows import Row, arguments, row, show

SOCKETS = 32
TEXT = "x" * 64
UNDER_WAY = 16
FOREVER = 1_000_000_000
"""Passes of a loop that the run's end cuts."""
SERVER = """
import sys
from scaleworthy._native import NullServer
server = NullServer()
print(server.port, flush=True)
for _ in sys.stdin:
    print(server.messages, flush=True)
server.stop()
"""
BARE = """
import ws from 'k6/ws';
export default function () {
  ws.connect('%(url)s', null, function (socket) {
    socket.on('open', () => socket.send('%(text)s'));
    socket.on('message', () => socket.send('%(text)s'));
    socket.setTimeout(() => socket.close(), %(seconds)d * 1000);
  });
}
"""
SAME = """
import ws from 'k6/ws';
import { check } from 'k6';
import { Trend } from 'k6/metrics';
const roundTrip = new Trend('round_trip', true);
export default function () {
  ws.connect('%(url)s', null, function (socket) {
    let sent = 0;
    const say = () => { sent = Date.now(); socket.send('%(text)s'); };
    socket.on('open', say);
    socket.on('message', (message) => {
      roundTrip.add(Date.now() - sent);
      check(message, { 'holds an x': (text) => text.includes('x') });
      say();
    });
    socket.setTimeout(() => socket.close(), %(seconds)d * 1000);
  });
}
"""
NEWER = """
import { WebSocket } from 'k6/websockets';
import { check } from 'k6';
import { Trend } from 'k6/metrics';
const roundTrip = new Trend('round_trip', true);
export default function () {
  const socket = new WebSocket('%(url)s');
  let sent = 0;
  const say = () => { sent = Date.now(); socket.send('%(text)s'); };
  socket.onopen = () => { setTimeout(() => socket.close(), %(seconds)d * 1000); say(); };
  socket.onmessage = (event) => {
    roundTrip.add(Date.now() - sent);
    check(event.data, { 'holds an x': (text) => text.includes('x') });
    say();
  };
}
"""
MANY = """
import ws from 'k6/ws';
import { check } from 'k6';
import { Trend } from 'k6/metrics';
const waited = new Trend('waited', true);
export default function () {
  ws.connect('%(url)s', null, function (socket) {
    let last = 0;
    socket.on('open', () => { last = Date.now(); for (let i = 0; i < %(under_way)d; i++) socket.send('%(text)s'); });
    socket.on('message', (message) => {
      const now = Date.now();
      waited.add(now - last);
      last = now;
      check(message, { 'holds an x': (text) => text.includes('x') });
      socket.send('%(text)s');
    });
    socket.setTimeout(() => socket.close(), %(seconds)d * 1000);
  });
}
"""
SAY: dict[str, Any] = {"send": TEXT}
HEAR: dict[str, Any] = {"receive": {"contains": "x"}, "name": "echo"}
ONE_BY_ONE = [{"loop": {"count": FOREVER, "steps": [SAY | HEAR]}}]
SEVERAL = [SAY] * UNDER_WAY + [{"loop": {"count": FOREVER, "steps": [HEAR, SAY]}}]


class Echo:
    """The server, and what it has counted since the last look."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self._before = 0

    def messages(self) -> int:
        """Messages since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        total = int(self._process.stdout.readline())
        new, self._before = total - self._before, total
        return new


@contextlib.contextmanager
def served() -> Iterator[Echo]:
    """Run the null server on SERVER_CORE."""
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Echo(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


def ours(steps: list[dict[str, Any]], server: Echo, seconds: int) -> Cost:
    """Run our command line on a plan of a socket's steps."""
    plan = {
        "target": f"http://127.0.0.1:{server.port}",
        "scenarios": [{"name": "echo", "steps": [{"websocket": "/", "steps": steps}]}],
        "load": {"users": SOCKETS, "for": f"{seconds}s"},
    }
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(json.dumps(plan))
        _, cost = run([sys.executable, "-m", "scaleworthy", "load", str(path), "--json", "-"], ok=(0, 3))
    return replace(cost, requests=server.messages())


def k6(script_text: str, server: Echo, seconds: int) -> Cost:
    """Run k6 with a script."""
    program = find("k6")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        script = Path(folder) / "echo.js"
        url = f"ws://127.0.0.1:{server.port}/"
        script.write_text(script_text % {"url": url, "text": TEXT, "seconds": seconds, "under_way": UNDER_WAY})
        command = [program, "run", "--quiet", "--no-usage-report", "--vus", str(SOCKETS), "--iterations", str(SOCKETS)]
        _, cost = run([*command, str(script)])
    return replace(cost, requests=server.messages())


Runner = Callable[[Echo, int], Cost]


@dataclass(frozen=True, slots=True)
class Figure:
    """Messages per CPU second of one tool's pair of runs, and the part of that time that was the kernel's."""

    per_cpu_s: float
    kernel: float


def measure(runner: Runner, server: Echo, short_s: int, long_s: int) -> Figure:
    """Run a tool short and long, so that what starting up costs is left out."""
    brief, long = runner(server, short_s), runner(server, long_s)
    cpu_s = long.cpu_s - brief.cpu_s
    return Figure((long.requests - brief.requests) / cpu_s, (long.kernel_s - brief.kernel_s) / cpu_s)


@dataclass(frozen=True, slots=True)
class Match:
    """One row: what is compared, our tool and k6's, and the ratio that is wanted."""

    what: str
    ours: str
    peer: str
    least_ratio: float | None = None


ONE, MANY_OURS = "scaleworthy", f"scaleworthy, {UNDER_WAY} under way"
SAME_K6, MANY_K6 = "k6 with the same work", f"k6 with the same work, {UNDER_WAY} under way"
SCRIPTS = {
    SAME_K6: SAME,
    MANY_K6: MANY,
    "k6/websockets with the same work": NEWER,
    "k6 that only echoes": BARE,
}
MATCHES = [
    Match(f"WebSocket echo, {SOCKETS} sockets, one text at a time, vs {SAME_K6}", ONE, SAME_K6, 8),
    Match(f"the same, {UNDER_WAY} under way on each socket", MANY_OURS, MANY_K6, 8),
    Match("one at a time, vs k6/websockets with the same work", ONE, "k6/websockets with the same work"),
    Match("one at a time, vs k6 that only echoes", ONE, "k6 that only echoes"),
]


def line(figures: dict[str, list[Figure]], match: Match) -> Row:
    """Return the row of a match, medians compared."""
    seen = [figure.per_cpu_s for figure in figures[match.ours]]
    theirs = [figure.per_cpu_s for figure in figures.get(match.peer, [])]
    median = statistics.median(seen)
    kernel = statistics.median(figure.kernel for figure in figures[match.ours])
    note = f"ours {min(seen):,.0f}-{max(seen):,.0f}, {kernel:.0%} of its time the kernel's"
    if theirs:
        ceiling = median / kernel / statistics.median(theirs)
        note += (
            f"; k6 {min(theirs):,.0f}-{max(theirs):,.0f}; n={len(theirs)}; without any work of our own {ceiling:.1f}"
        )
    else:
        note += "; k6 is not installed"
    return row(
        match.what,
        "messages/CPU second",
        median,
        peer=statistics.median(theirs) if theirs else None,
        better="higher",
        least_ratio=match.least_ratio,
        note=note,
    )


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 1, 3) if options.quick else (5, 1, 6)
    tools: dict[str, Runner] = {
        ONE: functools.partial(ours, ONE_BY_ONE),
        MANY_OURS: functools.partial(ours, SEVERAL),
    }
    if find("k6"):
        tools |= {name: functools.partial(k6, text) for name, text in SCRIPTS.items()}
    figures: dict[str, list[Figure]] = {name: [] for name in tools}
    with served() as server:
        for turn in range(repeats):
            for name in sorted(tools, reverse=turn % 2 == 1):
                figure = measure(tools[name], server, short_s, long_s)
                figures[name].append(figure)
                print(f"  {name}: {figure.per_cpu_s:,.0f} messages per CPU second", file=sys.stderr)
    return show("websocket", [line(figures, match) for match in MATCHES], options)


if __name__ == "__main__":
    sys.exit(main())
