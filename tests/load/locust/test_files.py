"""What a Locust file may say beside its tasks: requests in the words of the package requests, events, shapes, hosts; what is refused."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from load.locust.conftest import Runs
from load.locust.shop import Shop
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load import Wishes, read_plan, run_load
from scaleworthy.load.scenarios.locust.running import Cast
from scaleworthy.load.scenarios.locust.users import User
from scaleworthy.series import MemoryStore

EXAMPLE = Path(__file__).parents[3] / "examples" / "locust" / "locustfile.py"


def written(folder: Path, text: str) -> Path:
    file = folder / "locustfile.py"
    file.write_text(dedent(text))
    return file


def test_the_example_runs_as_it_is(shop: Shop) -> None:
    plan = read_plan(EXAMPLE, Wishes(target=shop.url, has_load=True)).plan
    summary = run_load(plan.changed(load={"users": 3, "for": "2s"}, seed=1), MemoryStore())
    paths = shop.paths()
    assert summary["failed"] == 0
    assert (paths.count("POST /login"), paths.count("POST /logout")) == (2, 2)
    assert 2 <= paths.count("GET /state") <= 3  # one Monitor, once a second
    signed = [one for one in shop.asked if one.path.startswith(("/products", "/basket", "/orders", "/search"))]
    assert {one.headers["authorization"] for one in signed} == {"Bearer t-1"}
    assert {one.headers["cookie"] for one in signed} == {"session=s-1"}


def test_requests_arrive_as_the_package_requests_would_send_them(runs: Runs, shop: Shop) -> None:
    runs(
        """
        from locust import HttpUser, task

        class Visitor(HttpUser):
            @task
            def look(self):
                client = self.client
                client.get("/q", params={"a": [1, 2], "b": "x y", "none": None})
                client.post("/form", data={"a": "1"}, headers={"x-own": "o"})
                client.put("/text", data="plain")
                client.patch("/json", json={"a": None}, auth=("anna", "secret"))
                client.delete("/d", cookies={"c": "1"})
                client.options("/o")
                assert client.head("/moved").status_code == 302
                assert client.get("/moved").json()["open"]
                client.post("/file", files={"f": ("a.txt", b"content", "text/plain")}, data={"k": "v"})
                client.headers = {"X-All": "1"}
                client.request("GET", "relative", timeout=(1, 2.5))
        """
    )
    asked = {one.path: one for one in shop.asked}
    assert "/q?a=1&a=2&b=x+y" in asked
    assert (asked["/form"].body, asked["/form"].headers["x-own"]) == ("a=1", "o")
    assert asked["/form"].headers["content-type"] == "application/x-www-form-urlencoded"
    assert (asked["/text"].body, asked["/text"].headers.get("content-type")) == ("plain", None)
    assert (asked["/json"].body, asked["/json"].headers["authorization"]) == ('{"a": null}', "Basic YW5uYTpzZWNyZXQ=")
    assert asked["/d"].headers["cookie"] == "c=1"
    assert asked["/q?a=1&a=2&b=x+y"].headers["accept-encoding"] == "gzip, deflate"
    assert 'filename="a.txt"' in asked["/file"].body
    assert asked["/relative"].headers["x-all"] == "1"
    assert "accept" not in asked["/relative"].headers
    assert shop.paths().count("GET /state") == 1


def test_events_are_called_and_a_client_of_the_files_own_is_timed(runs: Runs, shop: Shop, tmp_path: Path) -> None:
    summary = runs(
        """
        from pathlib import Path
        from locust import User, HttpUser, events, task

        LOG = Path(__file__).with_name("log")
        def note(text):
            with LOG.open("a") as log:
                log.write(text + "\\n")

        @events.init_command_line_parser.add_listener
        def _(parser):
            parser.add_argument("--region", default="eu", env_var="SHOP_REGION")

        @events.test_start.add_listener
        def started(environment, **kwargs):
            note(f"start {environment.parsed_options.region}")

        @events.test_stop.add_listener
        def stopped(environment, **kwargs):
            note("stop")

        @events.request.add_listener
        def asked(request_type, name, response_time, response_length, exception, context, **kwargs):
            note(f"{request_type} {name} {response_length} {exception}")

        class Own(HttpUser):
            @task
            def query(self):
                self.client.get("/state", name="state")
                with events.request.measure("SQL", "lookup"):
                    raise ValueError("no row")
        """
    )
    length = len('{"open": true}')
    assert (tmp_path / "log").read_text().splitlines() == [
        "start eu",
        f"GET state {length} None",
        "SQL lookup 0 no row",
        "stop",
    ]
    assert summary["errors"] == {"script": 1}
    assert "no row" in summary["examples"]["script"]


def test_a_file_may_end_its_run(runs: Runs, shop: Shop) -> None:
    summary = runs(
        """
        from locust import HttpUser, task

        class Visitor(HttpUser):
            @task
            def look(self):
                self.client.get("/once")
                self.environment.runner.quit()
        """,
        users=1,
        **{"for": "60s"},
    )
    assert shop.paths() == ["GET /once"]
    assert summary["seconds"] < 30
    assert any("runner.quit()" in note for note in summary["generator"]["notes"])


def test_a_shape_becomes_stages(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        from locust import HttpUser, LoadTestShape, task

        class Visitor(HttpUser):
            host = "http://127.0.0.1:9"
            @task
            def look(self):
                self.client.get("/")

        class Steps(LoadTestShape):
            def tick(self):
                run_time = self.get_run_time()
                if run_time < 60:
                    return (10, 2)
                if run_time < 90:
                    return (40, 100)
                return None
        """,
    )
    plan = read_plan(file, Wishes()).plan
    assert plan.target.url == "http://127.0.0.1:9"
    stages = plan.load.to_native()["stages"]
    assert [(stage["duration_ns"] // 10**9, stage["from"], stage["to"]) for stage in stages] == [
        (5, 0, 10),
        (55, 10, 10),
        (1, 10, 40),
        (29, 40, 40),
    ]


VISITOR = """
from locust import HttpUser, task
class Visitor(HttpUser):
    @task
    def look(self):
        self.client.get("/")
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import locust\nfrom locust import MarkovTaskSet\n", "locustfile.py:2: ImportError: locust.MarkovTaskSet"),
        (
            "import locust\n\nimport gevent.pool\n",
            "locustfile.py:3: ModuleNotFoundError: No module named 'gevent.pool'",
        ),
        ("import locust\n", "locustfile.py:1: declares no user class"),
        ("from locust import HttpUser\n\nclass A(HttpUser):\n    pass\n", "locustfile.py:3: A has no tasks"),
        (f"{VISITOR}    weight = -1\n", "locustfile.py:3: the weight of Visitor must be a number from 0 on, got -1"),
    ],
)
def test_what_cannot_run_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_plan(written(tmp_path, text), Wishes(target="http://127.0.0.1:9"))
    assert said in str(refused.value)


def test_a_file_without_a_host_needs_a_target_and_a_shape_without_an_end_a_load(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not say where its requests go"):
        read_plan(written(tmp_path, VISITOR), Wishes())
    endless = f"{VISITOR}\nfrom locust import LoadTestShape\nclass E(LoadTestShape):\n    def tick(self):\n        return (1, 1)\n"
    with pytest.raises(UsageError, match="does not end the run within 7 days"):
        read_plan(written(tmp_path, endless), Wishes(target="http://127.0.0.1:9"))


def test_a_shape_that_says_nothing_is_refused_with_what_to_write(tmp_path: Path) -> None:
    file = written(
        tmp_path, f"{VISITOR}\nfrom locust import LoadTestShape\nclass Waves(LoadTestShape):\n    time_limit = 60\n"
    )
    with pytest.raises(UsageError, match="Waves is a LoadTestShape without a tick") as refused:
        read_plan(file, Wishes(target="http://127.0.0.1:9"))
    assert "define `def tick(self)`" in (refused.value.hint or "")


def test_blocking_clients_are_named_with_their_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "websocket.py").touch()
    monkeypatch.delitem(sys.modules, "websocket", raising=False)
    imported = read_plan(written(tmp_path, f"import websocket{VISITOR}"), Wishes(target="http://127.0.0.1:9"))
    assert imported.notes[0].startswith("locustfile.py:1: websocket is not made cooperative")


def test_users_come_by_fixed_count_first_and_then_by_weight() -> None:
    class Admin(User):
        fixed_count = 1

    class Reader(User):
        weight = 3

    class Writer(User):
        weight = 1

    cast = Cast([Reader, Admin, Writer])
    came = [cast.come().__name__ for _ in range(9)]
    assert came[0] == "Admin"
    assert sorted(came[1:5]) == sorted(came[5:]) == ["Reader", "Reader", "Reader", "Writer"]
    cast.go(Admin)
    assert cast.come() is Admin
