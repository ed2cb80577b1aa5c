"""Locust files run as they are: tasks, sets, waits, and what is counted."""

from collections import Counter
from typing import Any

import pytest

from load.locust.conftest import Runs
from load.locust.shop import Shop


def steps_of(summary: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (step["answered"], step["failed"]) for name, step in summary["steps"].items()}


def test_a_user_starts_carries_out_tasks_by_weight_and_stops(runs: Runs, shop: Shop) -> None:
    runs(
        """
        from locust import HttpUser, task

        class Visitor(HttpUser):
            def on_start(self):
                self.client.get("/came")
            def on_stop(self):
                self.client.get("/went")
            @task(9)
            def often(self):
                self.client.get("/often")
            @task
            def seldom(self):
                self.client.get("/seldom")
        """,
        users=1,
        count=200,
    )
    paths = shop.paths()
    assert (paths[0], paths[-1]) == ("GET /came", "GET /went")
    counted = Counter(paths)
    assert counted["GET /often"] + counted["GET /seldom"] == 200
    assert 3 <= counted["GET /seldom"] <= 50  # 20 expected; 1 of 10^5 runs is outside


def test_sequential_sets_keep_the_order_nest_and_hand_back_on_interrupt(runs: Runs, shop: Shop) -> None:
    runs(
        """
        from locust import HttpUser, SequentialTaskSet, task

        class Visitor(HttpUser):
            @task
            class Way(SequentialTaskSet):
                def on_start(self):
                    self.client.get("/in")
                @task
                def first(self):
                    self.client.get("/first")
                @task
                class Inner(SequentialTaskSet):
                    @task
                    def deep(self):
                        self.user.client.get("/deep")
                    @task
                    def out(self):
                        self.interrupt()
                @task
                def last(self):
                    self.client.get("/last")
                    self.interrupt(reschedule=False)
                def on_stop(self):
                    self.client.get("/out")
        """,
        users=1,
        count=6,
    )
    way = ["GET /in", "GET /first", "GET /deep", "GET /last", "GET /out"]
    assert shop.paths() == way * 2


def test_names_are_method_and_name_or_route(runs: Runs, shop: Shop) -> None:
    summary = runs(
        """
        from locust import FastHttpUser, task

        class Visitor(FastHttpUser):
            @task
            def look(self):
                for number in range(3):
                    self.client.get(f"/leads/{number}?page={number}")
                    self.client.get(f"/search?q={number}", name="/search?q=[term]")
                with self.client.rename_request("everything"):
                    self.client.post("/a", json={})
        """
    )
    assert steps_of(summary) == {
        "GET /leads/{id}": (3, 0),
        "GET /search?q=[term]": (3, 0),
        "POST everything": (1, 0),
    }


def test_what_catch_response_says_is_what_is_counted(runs: Runs, shop: Shop) -> None:
    summary = runs(
        """
        from locust import HttpUser, task
        from locust.exception import ResponseError

        class Visitor(HttpUser):
            @task
            def look(self):
                assert not self.client.get("/gone").ok
                with self.client.get("/gone", name="forgiven", catch_response=True) as response:
                    response.success()
                with self.client.get("/state", name="blamed", catch_response=True) as response:
                    response.failure("too good")
                with self.client.get("/state", name="raised", catch_response=True):
                    raise ResponseError("not so")
                with self.client.get("/broken", name="left alone", catch_response=True):
                    pass
                with self.rest("GET", "/state", name="rest") as response:
                    assert response.js["open"] is False, "open,"
        """
    )
    assert steps_of(summary) == {
        "GET /gone": (1, 1),
        "GET forgiven": (1, 0),
        "GET blamed": (1, 1),
        "GET raised": (1, 1),
        "GET left alone": (1, 1),
        "GET rest": (1, 1),
    }


def test_a_request_without_an_answer_has_status_0_and_raises_nothing(runs: Runs, shop: Shop) -> None:
    summary = runs(
        """
        from locust import HttpUser, task

        class Visitor(HttpUser):
            @task
            def look(self):
                response = self.client.get("/drop")
                self.client.get(f"/seen/{response.status_code}/{response.error is not None}", name="seen")
                try:
                    response.raise_for_status()
                except Exception:
                    self.client.get("/raised")
        """
    )
    assert shop.paths()[-2:] == ["GET /seen/0/True", "GET /raised"]
    assert summary["failed"] == 1


def test_a_task_that_raises_is_counted_with_its_line_and_the_user_goes_on(runs: Runs, shop: Shop) -> None:
    summary = runs(
        """
        from locust import HttpUser, task

        class Visitor(HttpUser):
            turn = 0
            @task
            def look(self):
                self.turn += 1
                self.client.get(f"/turn/{self.turn}")
                assert self.turn != 2, "the second"
        """,
        users=1,
        count=3,
    )
    assert shop.paths() == ["GET /turn/1", "GET /turn/2", "GET /turn/3"]
    assert summary["errors"] == {"script": 1}
    example = summary["examples"]["script"]
    assert "the second" in example
    assert "locustfile.py:10 in look" in example


@pytest.mark.parametrize("sleep", ["time.sleep", "gevent.sleep", "self.wait", "late"])
def test_a_user_that_sleeps_keeps_no_other_waiting(runs: Runs, shop: Shop, sleep: str) -> None:
    runs(
        f"""
        import time
        import gevent
        from locust import HttpUser, constant, task

        def late(seconds):
            import time as lazily
            lazily.sleep(seconds)

        class Visitor(HttpUser):
            wait_time = constant(0.3)
            @task
            def look(self):
                self.client.get("/before")
                {sleep}({"" if sleep == "self.wait" else "0.3"})
                self.client.get("/after")
        """,
        users=4,
        count=4,
    )
    # Each sleeps between its two requests: had one kept the others waiting, its /after came before their /before.
    assert shop.paths() == ["GET /before"] * 4 + ["GET /after"] * 4
