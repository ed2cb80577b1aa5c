"""`scaleworthy import`: the plan that another tool's file is, which then loads by itself."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import scaleworthy

from scaleworthy.load import load_plan, read_plan

SCRIPT = """\
config:
  target: http://127.0.0.1:8000
  phases: [{duration: 60, arrivalRate: 1, rampTo: 7}, {pause: 5}, {duration: 30, arrivalCount: 70}]
  payload: {path: data/phones.csv, fields: [phone], skipHeader: true}
  ensure: {p95: 200}
scenarios:
  - engine: ws
    flow: [{post: {url: /calls, json: {phone: "{{ phone }}"}, capture: {json: $.id, as: id}}}, {think: 30}, {get: {url: "/calls/{{ id }}"}}]
"""


def script(folder: Path) -> Path:
    (folder / "data").mkdir()
    (folder / "data" / "phones.csv").write_text("phone\n+1\n")
    path = folder / "calls.yml"
    path.write_text(SCRIPT)
    return path


def test_the_plan_that_is_written_is_the_one_that_would_run(tmp_path: Path) -> None:
    path, out = script(tmp_path), tmp_path / "plans" / "plan.yaml"
    out.parent.mkdir()

    ended = scaleworthy("import", str(path), "--out", str(out))

    assert (ended.status, ended.out) == (0, "")
    assert "# Note: calls.yml:7: engine: ws, but its steps are HTTP requests" in out.read_text()
    made, ran = load_plan(out).seeded(), read_plan(path).plan
    same = made.model_copy(update={"seed": 1}).to_native(addresses=["127.0.0.1"])
    assert same == ran.model_copy(update={"seed": 1}).to_native(addresses=["127.0.0.1"])


def test_without_a_file_it_goes_to_standard_output(tmp_path: Path) -> None:
    ended = scaleworthy("import", str(script(tmp_path)), "--target", "http://127.0.0.1:9")

    assert ended.status == 0
    assert "target: http://127.0.0.1:9" in ended.out


def test_what_cannot_run_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "js.yml"
    path.write_text(SCRIPT.replace("scenarios:", "  processor: f.js\nscenarios:"))

    ended = scaleworthy("import", str(path), "--out", str(tmp_path / "plan.yaml"))

    assert ended.status == 2
    assert "js.yml:6:3: config.processor: the processor's JavaScript is not run" in ended.err
    assert not (tmp_path / "plan.yaml").exists()
