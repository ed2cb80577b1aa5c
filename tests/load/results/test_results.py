"""A run's results in the forms of others, each read back by a reader that is not ours."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from cramjam import snappy
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from pyarrow import parquet

from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load import make_plan, start
from scaleworthy.load.results import FORMATS, Push, check_exports, check_push, export, to_arrow
from scaleworthy.load.results.remote_write import write_request
from scaleworthy.load.second import Second
from scaleworthy.series import MemoryStore, Store


@pytest.fixture(scope="module")
def run() -> Iterator[tuple[Store, list[Second]]]:
    """A short run of two steps, one of which always breaks what it expects."""
    server = NullServer()
    plan = make_plan(
        {
            "target": f"http://127.0.0.1:{server.port}",
            "scenarios": [
                {
                    "name": "s",
                    "steps": [{"get": "/a", "name": "good"}, {"get": "/b", "name": "b|ad", "expect": {"status": 404}}],
                }
            ],
            "load": {"users": 2, "count": 200},
            "objectives": ["p95 < 10s", "failed < 1%", 'p99{step="nobody"} < 1s'],
            "seed": 1,
        }
    )
    store, seconds = MemoryStore(), []
    start(plan, store).wait(on_second=seconds.append)
    server.stop()
    yield store, seconds
    store.close()


def written(store: Store, folder: Path, ending: str) -> Path:
    path = folder / f"run{ending}"
    export(store, path)
    return path


def test_csv_has_every_series_by_second(run: tuple[Store, list[Second]], tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(written(run[0], tmp_path, ".csv").read_text())))

    answered = [row for row in rows if row["name"] == "load.answered" and row["labels"] == '{step="good"}']
    assert sum(float(row["value"]) for row in answered) == 200
    assert all(row["p50"] for row in rows if row["name"] == "load.response_time")


def test_parquet_is_the_same_table_with_labels_as_a_map(run: tuple[Store, list[Second]], tmp_path: Path) -> None:
    table = parquet.read_table(written(run[0], tmp_path, ".parquet"))

    assert table.equals(to_arrow(run[0]))
    errors = [row for row in table.to_pylist() if row["name"] == "load.errors"]
    assert sum(row["value"] for row in errors) == 200
    assert dict(errors[0]["labels"]) == {"kind": "expect-status", "step": "b|ad"}


def test_junit_has_a_case_for_each_objective(run: tuple[Store, list[Second]], tmp_path: Path) -> None:
    suite = Xml.parse(written(run[0], tmp_path, ".xml")).getroot()
    cases = {case.get("name"): [child.tag for child in case] for case in suite}

    assert cases == {
        "p95 < 10s": [],
        "failed < 1%": ["failure"],
        'p99{step="nobody"} < 1s': ["skipped"],
        "the target answered": [],
        "the generator kept up": [],
    }
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "1", "1")


def test_markdown_has_a_line_for_each_step_and_an_example_of_each_error(
    run: tuple[Store, list[Second]], tmp_path: Path
) -> None:
    text = written(run[0], tmp_path, ".md").read_text()

    assert text.startswith("**Load test: fail**")
    assert "| `failed < 1%` | **broken** | 50.0 % |" in text
    assert "| b\\|ad | 200 | 100 % |" in text
    assert "- 200 × `expect-status`, such as `" in text


def test_exposition_is_what_prometheus_reads(run: tuple[Store, list[Second]], tmp_path: Path) -> None:
    families = {
        family.name: family for family in text_string_to_metric_families(written(run[0], tmp_path, ".prom").read_text())
    }

    answered = families["scaleworthy_load_answered"]
    assert answered.type == "counter"
    assert {sample.labels["step"]: sample.value for sample in answered.samples} == {"good": 200, "b|ad": 200}
    times = families["scaleworthy_load_response_time_seconds"].samples
    buckets = [sample.value for sample in times if sample.name.endswith("_bucket") and sample.labels["step"] == "good"]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 200


def test_otlp_keeps_counts_and_quantiles(run: tuple[Store, list[Second]], tmp_path: Path) -> None:
    store = run[0]
    request = ExportMetricsServiceRequest.FromString(written(store, tmp_path, ".otlp").read_bytes())
    metrics = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    points = metrics["scaleworthy.load.response_time"].exponential_histogram.data_points

    counts: dict[int, int] = {}
    for point in points:
        for at, count in enumerate(point.positive.bucket_counts):
            counts[point.positive.offset + at] = counts.get(point.positive.offset + at, 0) + count
    assert sum(counts.values()) == 400
    below = 0
    for bucket in sorted(counts):
        below += counts[bucket]
        if below >= 200:
            median_s = 2 ** ((bucket + 0.5) / 128)
            break
    wanted = store.histogram("load.response_time").quantile(0.5)
    assert wanted is not None
    assert median_s == pytest.approx(wanted / 1e9, rel=0.006)


def test_remote_write_is_the_message_of_its_specification() -> None:
    """Bytes worked out by hand from the two specifications: one series of two labels, one sample of 1.5 at 1 s."""
    body = snappy.decompress_raw(write_request(1_000, [("m", (("a", "b"),), 1.5)]))
    labels = b"\x0a\x0d\x0a\x08__name__\x12\x01m" + b"\x0a\x06\x0a\x01a\x12\x01b"
    sample = b"\x12\x0c\x09" + b"\x00\x00\x00\x00\x00\x00\xf8\x3f" + b"\x10\xe8\x07"
    assert bytes(body) == b"\x0a" + bytes([len(labels + sample)]) + labels + sample


@pytest.fixture(scope="module")
def tagged() -> Iterator[Store]:
    """A run of two steps of one name, the second with a tag: the first's labels are a subset of the second's."""
    server = NullServer()
    steps = [{"get": "/a", "name": "a"}, {"get": "/a", "name": "a", "tags": {"team": "crm"}}]
    plan = make_plan(
        {
            "target": f"http://127.0.0.1:{server.port}",
            "scenarios": [{"name": "s", "steps": steps}],
            "load": {"users": 2, "count": 100},
        }
    )
    with MemoryStore() as store:
        start(plan, store).wait()
        server.stop()
        yield store


COUNTS = {None: 100, "crm": 100}


def test_series_that_share_labels_are_each_written_once(tagged: Store, tmp_path: Path) -> None:
    """What is summed up over a table's rows is what was sent: 200, not 300."""
    rows = to_arrow(tagged).to_pylist()
    answered: dict[str | None, float] = {}
    timed: dict[str | None, float] = {}
    for row in rows:
        counts = {"load.answered": answered, "load.response_time": timed}.get(row["name"])
        if counts is not None:
            team = dict(row["labels"]).get("team")
            counts[team] = counts.get(team, 0) + row["value"]
    assert answered == timed == COUNTS

    families = {one.name: one for one in text_string_to_metric_families(written(tagged, tmp_path, ".prom").read_text())}
    samples = families["scaleworthy_load_answered"].samples
    assert {sample.labels.get("team"): sample.value for sample in samples} == COUNTS
    times = families["scaleworthy_load_response_time_seconds"].samples
    assert {one.labels.get("team"): one.value for one in times if one.name.endswith("_count")} == COUNTS


def test_otlp_has_points_of_each_series_once(tagged: Store, tmp_path: Path) -> None:
    request = ExportMetricsServiceRequest.FromString(written(tagged, tmp_path, ".otlp").read_bytes())
    metrics = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    answered = metrics["scaleworthy.load.answered"].sum.data_points
    timed = metrics["scaleworthy.load.response_time"].exponential_histogram.data_points
    for points, count in ((answered, lambda point: point.as_double), (timed, lambda point: point.count)):
        found: dict[str | None, float] = {}
        for point in points:
            team = {one.key: one.value.string_value for one in point.attributes}.get("team")
            found[team] = found.get(team, 0) + count(point)
        assert found == COUNTS


class Collector(BaseHTTPRequestHandler):
    """Keeps what is sent to it."""

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("kind", ["otlp", "prometheus"])
def test_each_second_is_pushed_to_the_service(run: tuple[Store, list[Second]], kind: str) -> None:
    _, seconds = run
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.bodies = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with Push(f"{kind}+http://127.0.0.1:{server.server_port}/v1", target="t") as push:
            for second in seconds:
                push.add(second)
        server.shutdown()
        thread.join()
        bodies = server.bodies  # type: ignore[attr-defined]

    assert (push.sent, push.lost) == (len(seconds), 0)
    if kind == "otlp":
        points = [
            point.as_double
            for body in bodies
            for metric in ExportMetricsServiceRequest.FromString(body).resource_metrics[0].scope_metrics[0].metrics
            if metric.name == "scaleworthy.load.answered"
            for point in metric.sum.data_points
        ]
        assert sum(points) == 400
    else:
        assert b"scaleworthy_load_answered_total" in snappy.decompress_raw(bodies[-1])


def test_a_service_that_is_gone_costs_the_run_nothing_and_is_said(run: tuple[Store, list[Second]]) -> None:
    _, seconds = run

    def refuse(url: str, body: bytes, headers: dict[str, str]) -> None:
        raise ConnectionRefusedError(f"{url} refused")

    with Push("otlp+http://127.0.0.1:1/v1", target="t", send=refuse) as push:
        for second in seconds:
            push.add(second)
    assert (push.sent, push.lost) == (0, len(seconds))
    assert push.problem == "http://127.0.0.1:1/v1 refused"


def test_endings_and_services_that_are_not_known_are_refused_together() -> None:
    with pytest.raises(InvalidInput, match=r"did you mean '.parquet'") as caught:
        check_exports([Path("a.parket"), Path("b"), Path("c.csv")])
    assert len(caught.value.problems) == 2
    with pytest.raises(UsageError, match="names no metrics service"):
        check_push("http://127.0.0.1:9090")


def test_every_format_can_be_written_and_json_is_the_summary(run: tuple[Store, list[Second]], tmp_path: Path) -> None:
    for ending in FORMATS:
        assert written(run[0], tmp_path, ending).stat().st_size > 100
    assert json.loads((tmp_path / "run.json").read_text())["answered"] == 400
