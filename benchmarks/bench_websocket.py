"""How many WebSocket messages does one CPU second of the generator carry, beside k6?

32 sockets, each saying a 64-byte text and waiting for it to come back before the next, against our null server's echo in a process
of its own; generator on one core, server on the other, alternating. The server counts what was said to it, for every tool alike.
What starting up costs is taken out: each tool is run short and long, and the difference in messages is divided by the difference in
CPU time. Fair to whom: ours holds each answer to an expectation and keeps histograms of three clocks and the round trip; the bar is for a
k6 script that checks and times each message too, and the other rows are for scripts that only say it again. One message per wake-up is
the dearest way to talk: nine tenths of our CPU time is the kernel's, in one receive and one send a message, which no tool can leave out.
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
from pathlib import Path

from peers import SERVER_CORE, Cost, find, run
from rows import Row, arguments, row, show

SOCKETS = 32
TEXT = "x" * 64
EXCHANGES = 2_000
"""Messages on one socket of ours before it is closed and opened again."""
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
export default function () {
  const socket = new WebSocket('%(url)s');
  socket.onopen = () => { setTimeout(() => socket.close(), %(seconds)d * 1000); socket.send('%(text)s'); };
  socket.onmessage = () => socket.send('%(text)s');
}
"""
SCRIPTS = {"k6 with the same work": SAME, "k6 that only echoes": BARE, "k6/websockets that only echoes": NEWER}


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


def ours(server: Echo, seconds: int) -> Cost:
    """Run our command line on a plan of messages."""
    talk = {"send": TEXT, "receive": {"contains": "x"}, "name": "echo"}
    plan = {
        "target": f"http://127.0.0.1:{server.port}",
        "scenarios": [{"name": "echo", "steps": [{"websocket": "/", "steps": [talk] * EXCHANGES}]}],
        "load": {"users": SOCKETS, "for": f"{seconds}s"},
    }
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(json.dumps(plan))
        _, cost = run([sys.executable, "-m", "scaleworthy", "load", str(path), "--json", "-"], ok=(0, 3))
    return Cost(server.messages(), cost.cpu_s, cost.rss_bytes)


def k6(script_text: str, server: Echo, seconds: int) -> Cost:
    """Run k6 with a script."""
    program = find("k6")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        script = Path(folder) / "echo.js"
        script.write_text(script_text % {"url": f"ws://127.0.0.1:{server.port}/", "text": TEXT, "seconds": seconds})
        command = [program, "run", "--quiet", "--no-usage-report", "--vus", str(SOCKETS), "--iterations", str(SOCKETS)]
        _, cost = run([*command, str(script)])
    return Cost(server.messages(), cost.cpu_s, cost.rss_bytes)


Runner = Callable[[Echo, int], Cost]


def per_cpu_second(runner: Runner, server: Echo, short_s: int, long_s: int) -> float:
    """Messages per CPU second, without what starting up costs."""
    brief, long = runner(server, short_s), runner(server, long_s)
    return (long.requests - brief.requests) / (long.cpu_s - brief.cpu_s)


def line(figures: dict[str, list[float]], peer: str, *, least_ratio: float | None) -> Row:
    """Return the row against one of the peers, medians compared."""
    seen, theirs = figures["scaleworthy"], figures.get(peer)
    note = f"ours {min(seen):,.0f}-{max(seen):,.0f}"
    note += f"; k6 {min(theirs):,.0f}-{max(theirs):,.0f}; n={len(theirs)}" if theirs else "; k6 is not installed"
    return row(
        f"WebSocket echo, {SOCKETS} sockets, vs {peer}",
        "messages/CPU second",
        statistics.median(seen),
        peer=statistics.median(theirs) if theirs else None,
        better="higher",
        least_ratio=least_ratio,
        note=note,
    )


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 1, 3) if options.quick else (5, 1, 6)
    tools: dict[str, Runner] = {"scaleworthy": ours}
    if find("k6"):
        tools |= {name: functools.partial(k6, text) for name, text in SCRIPTS.items()}
    figures: dict[str, list[float]] = {name: [] for name in tools}
    with served() as server:
        for turn in range(repeats):
            for name in sorted(tools, reverse=turn % 2 == 1):
                figures[name].append(per_cpu_second(tools[name], server, short_s, long_s))
                print(f"  {name}: {figures[name][-1]:,.0f} messages per CPU second", file=sys.stderr)
    lines = [line(figures, name, least_ratio=8 if text is SAME else None) for name, text in SCRIPTS.items()]
    return show("websocket", lines, options)


if __name__ == "__main__":
    sys.exit(main())
