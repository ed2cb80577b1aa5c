"""Switchboard as processes: started, ready, restarted in another shape, stopped, and nothing left."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from scaleworthy.errors import ServerError, UsageError
from scaleworthy.load import Plan, load_plan, run_load
from scaleworthy.series import MemoryStore
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.processes import HttpProcesses
from scaleworthy.switchboard.scenario import OBJECTIVES, WEIGHTS, mixed_plan
from scaleworthy.switchboard.service import Switchboard
from scaleworthy.switchboard.settings import Settings
from waiting import until

from .running import Data, fill


@pytest.fixture(scope="module")
def own(postgres: Postgres) -> Data:
    return fill(postgres, "served")


@pytest.fixture(scope="module")
def running(own: Data, valkey: Valkey) -> Iterator[Switchboard]:
    with Switchboard.start(shape="day-one", database=own.owner, cache=valkey.url) as switchboard:
        yield switchboard


def test_each_request_of_the_mixed_scenario_is_answered_as_it_expects(running: Switchboard) -> None:
    plan = mixed_plan(running.url, running.tenants, rate="50/s", duration="5s", seed=3)
    rows = plan["feeders"][0]["rows"]

    assert Plan.model_validate(plan).seed == 3
    assert plan["objectives"] == list(OBJECTIVES)
    assert sum(WEIGHTS.values()) == 100
    assert {row["key"] for row in rows} == {tenant.key for tenant in running.tenants}
    with httpx.Client(base_url=running.url) as client:
        for row in rows[::9]:
            for scenario in plan["scenarios"]:
                [step] = scenario["steps"]
                answer = send(client, step, row)
                assert answer.status_code == step["expect"]["status"], (step["name"], answer.text)


def test_a_lead_whose_name_ends_in_a_digit_is_searched_by_a_word_that_may_be_asked_for(running: Switchboard) -> None:
    """A run creates leads called Ann 1, Ann 2, …, and the next run's plan takes its words from the newest."""
    tenant = running.tenants[0]
    with httpx.Client(base_url=running.url, headers={"x-tenant-key": tenant.key}) as client:
        lead = client.post("/api/leads", json={"name": "Ann 5"}).json()
        plan = mixed_plan(running.url, [tenant])
        [row] = [row for row in plan["feeders"][0]["rows"] if row["lead"] == str(lead["id"])]
        [step] = [one["steps"][0] for one in plan["scenarios"] if one["name"] == "search leads"]
        answer = send(client, step, row)

    assert (answer.status_code, answer.json()["query"]) == (200, "Ann")
    assert lead["id"] in [found["id"] for found in answer.json()["leads"]]


def send(client: httpx.Client, step: dict[str, Any], row: dict[str, str]) -> httpx.Response:
    """Send a step as the engine does, its places filled from a row."""
    text = json.dumps(step)
    for name, value in {**row, "$n": "4", "$uuid": os.urandom(8).hex()}.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    filled = json.loads(text)
    method = "POST" if "post" in filled else "GET"
    headers = {"x-tenant-key": row["key"], **filled.get("headers", {})}
    return client.request(method, filled[method.lower()], json=filled.get("json"), headers=headers)


def test_a_restart_changes_the_shape_and_keeps_the_port_and_the_data(running: Switchboard, own: Data) -> None:
    url, before = running.url, running.processes["http"]
    lead = httpx.post(f"{url}/leads", json={"name": "Stays"}, timeout=20).json()

    running.restart(shape="tuned")

    assert running.url == url
    assert not set(before) & set(running.processes["http"])
    assert httpx.get(f"{url}/health", timeout=20).json()["shape"] == running.shape == "tuned"
    assert httpx.get(f"{url}/leads/{lead['id']}", timeout=20).json()["name"] == "Stays"
    assert ("leads_page",) in own.rows("select indexname from pg_indexes where tablename = 'leads'")


def test_a_request_sent_while_no_process_serves_waits_for_one(own: Data) -> None:
    with HttpProcesses.bind(port=0, workers=1) as processes:
        host, port = processes.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
            processes.serve(Settings(shape="day-one", dsn=own.app))
            answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("shape", ["day-one", "tuned"])
def test_the_example_of_voice_holds_streams_at_their_pace(
    own: Data, valkey: Valkey, shape: str, tmp_path: Path
) -> None:
    """The plan as it is, with fewer calls for less time: every frame comes back, and the service's own count agrees."""
    text = (Path(__file__).parents[2] / "examples" / "voice.yaml").read_text("utf-8")
    own.rows("truncate media_streams")
    with Switchboard.start(database=own.owner, cache=valkey.url, shape=shape) as switchboard:
        short = text.replace("http://127.0.0.1:8000", switchboard.url).replace("for: 10s", "count: 25")
        path = tmp_path / "voice.yaml"
        path.write_text(short.replace('stages: "5s:50,20s:50"', "users: 3, count: 3"), "utf-8")
        recording = MemoryStore()
        summary = run_load(load_plan(path), recording)

    assert summary["errors"] == {}
    assert recording.total("load.answered", labels={"step": "frame"}) == 75
    assert own.rows("select sum(frames_received), sum(frames_sent), sum(frames_lost) from media_streams") == [
        (75, 75, 0)
    ]


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is in use"):
            Switchboard.start(port=port)


def test_a_service_that_cannot_start_says_why() -> None:
    with HttpProcesses.bind(port=0, workers=1) as processes, pytest.raises(ServerError, match="no shape 'round'"):
        processes.serve(Settings(shape="round", dsn=""))


def test_several_processes_share_the_port(own: Data, valkey: Valkey) -> None:
    with Switchboard.start(database=own.owner, cache=valkey.url, workers=2, demo_tenant=False) as switchboard:
        assert len(set(switchboard.processes["http"])) == 2
        assert httpx.get(f"{switchboard.url}/users", timeout=20).status_code == 401
        pids = switchboard.processes["http"]
        os.kill(pids[0], signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pids[0])], timeout=10) if psutil.pid_exists(pids[0]) else None
        with pytest.raises(ServerError, match="a service process of Switchboard ended"):
            switchboard.check()
    assert not any(psutil.pid_exists(pid) for pid in pids)


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "scaleworthy", "switchboard", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command_prints_one_ready_line_and_leaves_nothing_after_ctrl_c() -> None:
    with command("serve", "--demo-tenant", "--shape", "tuned") as process:
        ready = read_line(process)
        assert set(ready) == {"url", "database", "cache", "tenants", "processes"}
        assert len(ready["tenants"]) == 10
        assert set(ready["tenants"][0]) == {"id", "key"}
        pids = [pid for role in ("http", "postgres", "valkey", "llm") for pid in ready["processes"][role]]
        assert len(pids) == len(set(pids)) == 4
        health = f"{ready['url']}/api/health"
        asyncio.run(until(lambda: httpx.get(health, timeout=20).json()["reasons"] == [], "health has no reasons"))
        assert httpx.get(health, timeout=20).json()["status"] == "ok"
        assert httpx.get(f"{ready['url']}/api/leads", timeout=20).json()["tenant_id"] == ready["tenants"][0]["id"]
        with psycopg.connect(ready["database"]) as connection:
            assert connection.execute("select count(*) from leads").fetchone() == (20_000,)

        assert_ends(process, signal.SIGINT, status=0, pids=pids)


@pytest.mark.parametrize(("end", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_service_process_ends_with_the_command(own: Data, valkey: Valkey, end: int, status: int) -> None:
    with command("serve", "--database", own.owner, "--cache", valkey.url) as process:
        ready = read_line(process)
        assert ready["database"] == own.owner
        assert ready["cache"] == valkey.url
        assert (ready["processes"]["postgres"], ready["processes"]["valkey"]) == ([], [])
        assert httpx.get(f"{ready['url']}/api/leads", timeout=20).status_code == 401

        assert_ends(process, end, status=status, pids=ready["processes"]["http"])


def read_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    return dict(json.loads(process.stdout.readline()))


def assert_ends(process: subprocess.Popen[str], end: int, *, status: int, pids: list[int]) -> None:
    children = [psutil.Process(pid) for pid in pids]
    process.send_signal(end)
    out, err = process.communicate(timeout=30)

    assert out == ""
    assert "Traceback" not in err
    assert process.returncode == status
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--database", "postgresql://nobody@127.0.0.1:1/none"], "the database cannot be used"),
        (["serve", "--database", "no connection string"], "the database cannot be used"),
        (["seed", "--database", "postgresql://nobody@127.0.0.1:1/none"], "the database cannot be used"),
        (["serve", "--port", "70000"], "a port is a number from 0 to 65535"),
        (["serve", "--shape", "round"], "round"),
        (["serve", "--workers", "0"], "--workers must be at least 1"),
        (["llm", "--failed", "2"], "failed: a share from 0 to 1 is wanted, got 2"),
        (["llm", "--first", "soon"], "soon"),
        (["llm", "--port", "70000"], "a port is a number from 0 to 65535"),
    ],
    ids=str,
)
def test_what_cannot_be_served_is_refused_with_status_2(arguments: list[str], said: str, valkey: Valkey) -> None:
    cache = ["--cache", valkey.url, "--llm", "http://127.0.0.1:1/v1"] if arguments[0] == "serve" else []
    with command(*arguments, *cache) as process:
        out, err = process.communicate(timeout=30)

    assert process.returncode == 2
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_seed_prints_the_rows_per_table(postgres: Postgres) -> None:
    dsn = postgres.create_database("seeded_by_command")
    with command("seed", "--database", dsn, "--size", "small", "--until", "2026-11-01") as process:
        out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert json.loads(out)["leads"] == 20_000
    assert "seeded 100,000 activities" in err


def test_models_are_played_until_the_command_ends() -> None:
    with command("llm", "--first", "0s", "--tokens", "3", "--key", "sk", "--models", "a, b") as process:
        ready = read_line(process)
        asked = {"model": "a", "messages": [{"role": "user", "content": "?"}]}
        url = f"{ready['url']}/chat/completions"
        answer = httpx.post(url, json=asked, headers={"authorization": "Bearer sk"}, timeout=20).json()

        assert answer["usage"]["completion_tokens"] == len(answer["choices"][0]["message"]["content"].split()) == 3
        assert httpx.post(url, json=asked, timeout=20).status_code == 401
        assert [one["id"] for one in httpx.get(f"{ready['url']}/models", timeout=20).json()["data"]] == ["a", "b"]
        assert_ends(process, signal.SIGTERM, status=0, pids=ready["processes"]["llm"])
