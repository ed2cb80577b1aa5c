"""The peers and the server that the load benchmarks run: where they are, how one run is started, what it cost.

Every peer runs as a whole process tree, pinned to one core; nginx, with one worker and a 144-byte JSON answer, on the
other. The cost of a run is user + system CPU time of the tree, from the kernel's own account of finished children.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BODY = json.dumps({"id": 1, "name": "a lead", "phone": "+15550100", "status": "new", "note": "x" * 70})
SERVER_CORE, GENERATOR_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run did and cost."""

    requests: int
    cpu_s: float
    rss_bytes: int
    kernel_s: float = 0.0
    """The part of the CPU time that the kernel took."""


def find(name: str) -> str | None:
    """Return the peer's program: from NAME_BIN in the environment, else from PATH, else None."""
    return os.environ.get(f"{name.upper()}_BIN") or shutil.which(name)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def nginx(*, access_log: Path | None = None, http2: bool = False, tls: bool = False, body: str = BODY) -> Iterator[str]:
    """Run nginx with one worker on SERVER_CORE, speaking HTTP/1.1 (over TLS 1.3 if asked) or HTTP/2 by prior knowledge; yield its URL.

    Raises:
        FileNotFoundError: nginx is not installed, or openssl, which makes the certificate.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise FileNotFoundError("nginx was not found: install it (apt-get install nginx-light) and run again")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        log = f"{access_log} combined buffer=64k" if access_log else "off"
        conf = Path(folder) / "nginx.conf"
        temporary = "\n".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        listen = f"127.0.0.1:{port}{' http2' if http2 else ''}{' ssl' if tls else ''} backlog=4096"
        secure = _certificate(Path(folder)) if tls else ""
        conf.write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ access_log {log}; keepalive_requests 100000000; {temporary}\n"
            f"server {{ listen {listen}; {secure} location / {{ default_type application/json; return 200 '{body}'; }} }} }}\n"
        )
        process = subprocess.Popen(["taskset", "-c", str(SERVER_CORE), program, "-p", folder, "-c", str(conf)])
        try:
            _until_open(port, process)
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(10)


def _certificate(folder: Path) -> str:
    """Make a certificate in *folder*; return what tells nginx to speak TLS 1.3 with it."""
    program = shutil.which("openssl")
    if program is None:
        raise FileNotFoundError("openssl was not found: install it (apt-get install openssl) and run again")
    wanted = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([program, *wanted.split(), *files], check=True, capture_output=True)
    return f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;"


def run(command: Sequence[str], *, core: int = GENERATOR_CORE, ok: Sequence[int] = (0,)) -> tuple[str, Cost]:
    """Run *command* pinned to *core*; return its standard output and what it cost (requests still 0)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text = out.read().decode(errors="replace")
        if child.returncode not in ok:
            raise RuntimeError(
                f"{command[0]} ended with {child.returncode}: {err.read().decode(errors='replace')[-500:]}"
            )
    return text, Cost(0, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, usage.ru_stime)


def wrk(url: str, *, connections: int, seconds: int) -> Cost:
    """Run wrk with one thread."""
    text, cost = run([_need("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", url])
    found = re.search(r"(\d+) requests in", text)
    return Cost(int(found[1]) if found else 0, cost.cpu_s, cost.rss_bytes)


def oha(url: str, *, connections: int, seconds: int) -> Cost:
    """Run oha without its live view."""
    text, cost = run(
        [
            _need("oha"),
            "--no-tui",
            "--output-format",
            "json",
            "-c",
            str(connections),
            "-z",
            f"{seconds}s",
            *_insecure(url),
            url,
        ]
    )
    result = json.loads(text)
    return Cost(sum(result["statusCodeDistribution"].values()), cost.cpu_s, cost.rss_bytes)


def h2load(url: str, *, connections: int, streams: int, seconds: int) -> Cost:
    """Run h2load with one thread."""
    text, cost = run([_need("h2load"), "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}", url])
    found = re.search(r"(\d+) succeeded", text)
    return Cost(int(found[1]) if found else 0, cost.cpu_s, cost.rss_bytes)


def k6(url: str, *, connections: int, seconds: int) -> Cost:
    """Run k6 with a plain GET."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        script, summary = Path(folder) / "get.js", Path(folder) / "summary.json"
        script.write_text(f"import http from 'k6/http';\nexport default function () {{ http.get('{url}'); }}\n")
        command = [_need("k6"), "run", "--quiet", "--no-usage-report", "--summary-export", str(summary)]
        _, cost = run([*command, "--vus", str(connections), "--duration", f"{seconds}s", str(script)])
        count = json.loads(summary.read_text())["metrics"]["http_reqs"]["count"]
    return Cost(int(count), cost.cpu_s, cost.rss_bytes)


def scaleworthy(url: str, *, connections: int, seconds: int) -> Cost:
    """Run our own command line, closed, one connection a user."""
    command = [
        sys.executable,
        "-m",
        "scaleworthy",
        "load",
        url,
        "--users",
        str(connections),
        "--for",
        f"{seconds}s",
        *_insecure(url),
        "--json",
        "-",
    ]
    text, cost = run(command, ok=(0, 3))
    return Cost(int(json.loads(text)["answered"]), cost.cpu_s, cost.rss_bytes)


def _insecure(url: str) -> list[str]:
    """Return the option that trusts a certificate made for the benchmark; wrk does so unasked."""
    return ["--insecure"] if url.startswith("https://") else []


def _need(name: str) -> str:
    program = find(name)
    if program is None:
        raise FileNotFoundError(f"{name} was not found: put it on PATH or set {name.upper()}_BIN")
    return program


def _until_open(port: int, process: subprocess.Popen[bytes], *, patience_s: float = 10.0) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended with {process.returncode} before it answered")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nginx did not listen on port {port} within {patience_s:g} s")
